/** Sizes between which the largest that passes is looked for, bytes of IP. */
export interface SearchRange {
  /** Nothing smaller is tried: every way carries it. */
  readonly least: number;
  /** What the sender's own device takes. */
  readonly most: number;
  /** What is expected to be the answer: tried first, and the next larger one after it. */
  readonly expected: number;
}

/** No IP packet is larger. */
export const SIZE_MAX = 65_535;

/**
 * Which sizes to try, one after the other. Each takes a second, so what is likely comes first: what
 * the way is configured for, what an error says, and one byte more than that; then halving.
 */
export class SizeSearch {
  /** The largest that passed, and the smallest that did not. */
  largest: number | null = null;
  refused: number | null = null;
  readonly #range: SearchRange;
  #guesses: number[];
  #hasTriedMost = false;

  constructor({ least, most, expected }: SearchRange) {
    const top = Math.max(least, Math.min(most, SIZE_MAX));
    this.#range = { least, most: top, expected };
    this.#guesses = [Math.max(least, Math.min(expected, top))];
  }

  /** Null when it is found, or when not even the least passes. */
  next(): number | null {
    const { least, most } = this.#range;
    const { largest, refused } = this;
    if (largest === SIZE_MAX || refused === least) return null;
    if (largest !== null && refused === largest + 1) return null;
    for (let guess = this.#guesses.pop(); guess !== undefined; guess = this.#guesses.pop()) {
      if (guess > (largest ?? least - 1) && guess < (refused ?? most + 2)) return guess;
    }
    if (largest === null) return least;
    if (refused !== null) return Math.floor((largest + refused) / 2);
    if (largest >= most) return largest + 1;
    if (this.#hasTriedMost) return Math.ceil((largest + most) / 2);
    this.#hasTriedMost = true;
    return most;
  }

  passed(size: number): void {
    const isGuess = this.#isGuess(size);
    this.largest = Math.max(this.largest ?? 0, size);
    if (isGuess) this.#guesses.push(size + 1);
  }

  /** @param fits what is said to fit, where something says it */
  failed(size: number, fits: number | null): void {
    this.refused = Math.min(this.refused ?? Number.POSITIVE_INFINITY, size);
    if (fits !== null && fits < size) {
      this.#hints.add(fits);
      this.#guesses.push(fits);
    }
  }

  readonly #hints = new Set<number>();

  #isGuess(size: number): boolean {
    return size === this.#range.expected || this.#hints.has(size);
  }
}
