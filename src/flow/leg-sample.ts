/** Values kept of one leg in one bucket of time. */
export const SAMPLE_LIMIT = 64;

/** A sample of a leg's latencies, ns, over which each of them has the same chance to be in it. */
export class LegSample {
  count = 0;
  readonly #values = new Float64Array(SAMPLE_LIMIT);

  add(value: number): void {
    const n = this.count++;
    if (n < SAMPLE_LIMIT) {
      this.#values[n] = value;
      return;
    }
    // Chosen by a hash of the number, so that a recording gives the same each time.
    const at = (Math.imul(n ^ (n >>> 15), 0x2c1b3c6d) >>> 0) % (n + 1);
    if (at < SAMPLE_LIMIT) {
      this.#values[at] = value;
    }
  }

  /** Quantiles of what was added since the last call, and begins anew; null where nothing was. */
  take(quantiles: readonly number[]): readonly number[] | null {
    const size = Math.min(this.count, SAMPLE_LIMIT);
    this.count = 0;
    if (size === 0) {
      return null;
    }
    const sorted = this.#values.slice(0, size).sort();
    return quantiles.map((one) => sorted[Math.max(1, Math.ceil(one * size)) - 1] as number);
  }
}
