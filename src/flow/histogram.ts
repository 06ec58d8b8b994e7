/** Buckets per doubling; half of one is the greatest error: 1/128 of the value. */
const SUB_BUCKETS = 64;
const SUB_BITS = 6;
/** Longest time told apart, in nanoseconds; longer ones count as this. */
export const HISTOGRAM_MAX = 10_000_000_000;
const INITIAL_CAPACITY = 4;

/**
 * Latency histogram with logarithmic buckets (after HdrHistogram's layout): values
 * in nanoseconds up to 10 s, told to within 1 %. Only buckets in use take memory,
 * so the many short flows cost little and the greatest one at most 12 KiB.
 */
export class Histogram {
  #buckets = new Uint16Array(INITIAL_CAPACITY);
  #counts = new Uint32Array(INITIAL_CAPACITY);
  #used = 0;
  #count = 0;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  /** Exact, not rounded to a bucket. */
  get max(): number {
    return this.#max;
  }

  /** Bytes of bucket storage. */
  get byteLength(): number {
    return this.#buckets.byteLength + this.#counts.byteLength;
  }

  add(value: number): void {
    const ns = value < 0 ? 0 : value > HISTOGRAM_MAX ? HISTOGRAM_MAX : Math.floor(value);
    this.#count += 1;
    if (ns > this.#max) {
      this.#max = ns;
    }
    const bucket = bucketOf(ns);
    let low = 0;
    let high = this.#used;
    const buckets = this.#buckets;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((buckets[middle] as number) < bucket) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    if (low < this.#used && buckets[low] === bucket) {
      (this.#counts[low] as number)++;
      return;
    }
    this.#insert(low, bucket);
  }

  /** The value below which a share `quantile` (0 to 1) of all values lies; 0 when empty. */
  quantile(quantile: number): number {
    if (this.#count === 0) {
      return 0;
    }
    const rank = Math.max(1, Math.ceil(quantile * this.#count));
    if (rank >= this.#count) {
      return this.#max;
    }
    let seen = 0;
    for (let i = 0; i < this.#used; i++) {
      seen += this.#counts[i] as number;
      if (seen >= rank) {
        return Math.min(middleOf(this.#buckets[i] as number), this.#max);
      }
    }
    return this.#max;
  }

  #insert(at: number, bucket: number): void {
    if (this.#used === this.#buckets.length) {
      const buckets = new Uint16Array(this.#used * 2);
      const counts = new Uint32Array(this.#used * 2);
      buckets.set(this.#buckets);
      counts.set(this.#counts);
      this.#buckets = buckets;
      this.#counts = counts;
    }
    this.#buckets.copyWithin(at + 1, at, this.#used);
    this.#counts.copyWithin(at + 1, at, this.#used);
    this.#buckets[at] = bucket;
    this.#counts[at] = 1;
    this.#used += 1;
  }
}

/** Values below 2 × SUB_BUCKETS have a bucket each. */
function bucketOf(ns: number): number {
  if (ns < 2 * SUB_BUCKETS) {
    return ns;
  }
  if (ns < 0x80000000) {
    const shift = 31 - Math.clz32(ns) - SUB_BITS;
    return shift * SUB_BUCKETS + (ns >>> shift);
  }
  // Beyond what shifts can do; HISTOGRAM_MAX is below 2^34.
  const shift = (ns >= 2 ** 33 ? 33 : ns >= 2 ** 32 ? 32 : 31) - SUB_BITS;
  return shift * SUB_BUCKETS + Math.floor(ns / 2 ** shift);
}

function middleOf(bucket: number): number {
  if (bucket < 2 * SUB_BUCKETS) {
    return bucket;
  }
  const shift = Math.floor(bucket / SUB_BUCKETS) - 1;
  const mantissa = bucket - shift * SUB_BUCKETS;
  return Math.floor((mantissa + 0.5) * 2 ** shift);
}
