/** A small, fast, repeatable source of numbers (mulberry32): what fuzzing needs, nothing more. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** What a source begun with goes on as this one does. */
  get state(): number {
    return this.#state;
  }

  /** 32 random bits. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from 0 to below `bound`; 0 for a bound of 0. */
  below(bound: number): number {
    return bound <= 0 ? 0 : Math.floor((this.bits() / 2 ** 32) * bound);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
