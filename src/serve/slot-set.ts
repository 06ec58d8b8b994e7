/** A set of small whole numbers, a bit each. */
export class SlotSet {
  readonly #words: Uint32Array;
  #size = 0;

  /** @param limit the numbers are below it */
  constructor(limit: number) {
    this.#words = new Uint32Array(Math.ceil(limit / 32));
  }

  get size(): number {
    return this.#size;
  }

  has(slot: number): boolean {
    return ((this.#words[slot >>> 5] as number) & (1 << (slot & 31))) !== 0;
  }

  /** False when it was there already. */
  add(slot: number): boolean {
    if (this.has(slot)) return false;
    (this.#words[slot >>> 5] as number) |= 1 << (slot & 31);
    this.#size += 1;
    return true;
  }

  /** False when it was not there. */
  delete(slot: number): boolean {
    if (!this.has(slot)) return false;
    (this.#words[slot >>> 5] as number) &= ~(1 << (slot & 31));
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.#words.fill(0);
    this.#size = 0;
  }

  /** The first at or after `from`, going round at the end; -1 when there is none. */
  nextFrom(from: number): number {
    if (this.#size === 0) return -1;
    const count = this.#words.length;
    let word = from >>> 5;
    let left = (this.#words[word] as number) & (-1 << (from & 31));
    for (let step = 0; left === 0 && step < count; step++) {
      word = word + 1 === count ? 0 : word + 1;
      left = this.#words[word] as number;
    }
    return (word << 5) | (31 - Math.clz32(left & -left));
  }
}
