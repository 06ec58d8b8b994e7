const WINDOW_MS = 1000;

/**
 * How much of what a client sends is read: so many bytes a second. Past that nothing is read
 * until the second is over, and what the client goes on sending fills its own buffers.
 */
export class ReadRate {
  readonly #limit: number;
  #begun = Number.NEGATIVE_INFINITY;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  /** @param now milliseconds. @returns for how long nothing more is to be read, 0 for not at all */
  add(bytes: number, now: number): number {
    if (now - this.#begun >= WINDOW_MS) {
      this.#begun = now;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
    return this.#bytes > this.#limit ? this.#begun + WINDOW_MS - now : 0;
  }
}
