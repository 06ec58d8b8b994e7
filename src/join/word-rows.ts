/** Rows in one segment; a power of two. */
const SEGMENT_ROWS = 4_096;
const SHIFT = 12;
const MASK = SEGMENT_ROWS - 1;

/**
 * Very many rows of a few signed words each, side by side: no object a row for the garbage
 * collector to visit. It grows by a segment, so no row is ever copied for the sake of others,
 * and nobody waits while millions are.
 */
export class WordRows {
  readonly #segments: Int32Array[] = [];
  readonly #width: number;
  readonly #filling: number;

  /**
   * @param width words of a row
   * @param filling what the words of a row are that was never set
   */
  constructor(width: number, filling = 0) {
    this.#width = width;
    this.#filling = filling;
  }

  /** Rows that there is room for. */
  get length(): number {
    return this.#segments.length * SEGMENT_ROWS;
  }

  get byteLength(): number {
    return this.length * this.#width * 4;
  }

  /** Makes room for rows below `length`. */
  reserve(length: number): void {
    while (this.length < length) {
      const segment = new Int32Array(SEGMENT_ROWS * this.#width);
      this.#segments.push(this.#filling === 0 ? segment : segment.fill(this.#filling));
    }
  }

  get(row: number, word: number): number {
    const segment = this.#segments[row >>> SHIFT] as Int32Array;
    return segment[(row & MASK) * this.#width + word] as number;
  }

  set(row: number, word: number, value: number): void {
    const segment = this.#segments[row >>> SHIFT] as Int32Array;
    segment[(row & MASK) * this.#width + word] = value;
  }
}
