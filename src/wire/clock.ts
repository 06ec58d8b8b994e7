/**
 * The kernel's monotonic nanoseconds are 64 bits wide and JavaScript's exact
 * integers 53, so times are rebased on an epoch near the first record before
 * they become doubles: differences stay exact for 104 days.
 */
export class Epoch {
  readonly #high: number;
  readonly #low: number;
  readonly monotonicNs: bigint;

  constructor(monotonicNs: bigint) {
    this.monotonicNs = monotonicNs;
    this.#high = Number(monotonicNs >> 32n);
    this.#low = Number(monotonicNs & 0xffffffffn);
  }

  /** Nanoseconds since the epoch, from the two halves of a kernel time. */
  sinceHalves(low: number, high: number): number {
    return (high - this.#high) * 4294967296 + (low - this.#low);
  }

  /** Monotonic milliseconds of a time in nanoseconds since the epoch, to some microseconds. */
  milliseconds(time: number): number {
    return Number(this.monotonicNs) / 1e6 + time / 1e6;
  }

  /** Nanoseconds since the epoch, from a kernel time. */
  since(monotonicNs: bigint): number {
    return Number(monotonicNs - this.monotonicNs);
  }
}
