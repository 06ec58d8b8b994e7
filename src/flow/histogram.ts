/** Buckets per doubling; half of one is the greatest error: 1/128 of the value. */
const SUB_BUCKETS = 64;
const SUB_BITS = 6;
/** Longest time with a bucket of its own, in nanoseconds; longer ones count as this. */
export const HISTOGRAM_MAX = 10_000_000_000;
/** Buckets there are: one past that of HISTOGRAM_MAX. */
const BUCKETS = 1_803;
/** Entries of the sparse table, each a bucket and its count; powers of two. */
const FIRST_ENTRIES = 4;
const LAST_ENTRIES = 256;
const EMPTY = -1;

/** Quantiles that records have, and what they take where nothing else is kept. */
export const SETTLED_QUANTILES = [0.5, 0.9, 0.99] as const;
const SETTLED_BYTES = 256;

/** Estimated bytes of a histogram before its second bucket; see flow-size.ts. */
export const HISTOGRAM_BYTES = 96;

/**
 * Latency histogram with logarithmic buckets (after HdrHistogram's layout): values
 * in nanoseconds up to 10 s, accurate to within 1 %.
 *
 * There is one for each leg of each flow, and most see few values: the first bucket takes
 * no memory of its own, then a small table has what is in use, hashed by its lowest bits
 * alone, since latencies lie side by side; what needs more than 4 KiB of that gets one
 * counter for each bucket.
 */
export class Histogram {
  /** The only bucket while there is no table. */
  #bucket = EMPTY;
  /** Bucket and count by turns. */
  #sparse: number[] | null = null;
  #dense: Uint32Array | null = null;
  /** Quantiles that remain of one that is complete; null while it is not. */
  #settled: ReadonlyMap<number, number> | null = null;
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
    return this.#dense?.byteLength ?? (this.#sparse?.length ?? 0) * 8;
  }

  /** @returns by how many bytes it grew */
  add(value: number): number {
    const ns = value < 0 ? 0 : value > HISTOGRAM_MAX ? HISTOGRAM_MAX : Math.floor(value);
    this.#count += 1;
    if (ns > this.#max) {
      this.#max = ns;
    }
    const bucket = bucketOf(ns);
    if (this.#dense !== null) {
      (this.#dense[bucket] as number)++;
      return 0;
    }
    const sparse = this.#sparse;
    if (sparse === null) {
      return this.#addFirst(bucket);
    }
    const mask = sparse.length - 2;
    let at = (bucket << 1) & mask;
    while (sparse[at] !== bucket) {
      if (sparse[at] === EMPTY) {
        return this.#insert(sparse, at, bucket);
      }
      at = (at + 2) & mask;
    }
    (sparse[at + 1] as number)++;
    return 0;
  }

  /** The value below which a share `quantile` (0 to 1) of all values lies; 0 when empty. */
  quantile(quantile: number): number {
    if (this.#count === 0) {
      return 0;
    }
    const settled = this.#settled?.get(quantile);
    if (settled !== undefined) {
      return settled;
    }
    const rank = Math.max(1, Math.ceil(quantile * this.#count));
    if (rank >= this.#count) {
      return this.#max;
    }
    let seen = 0;
    for (const [bucket, count] of this.#inOrder()) {
      seen += count;
      if (seen >= rank) {
        return Math.min(middleOf(bucket), this.#max);
      }
    }
    return this.#max;
  }

  /**
   * Nothing is added any more: keeps the quantiles of SETTLED_QUANTILES, exact as before, and
   * gives up its buckets where they take more than that.
   *
   * @returns by how many bytes it shrank
   */
  settle(): number {
    const before = this.byteLength;
    if (before <= SETTLED_BYTES) {
      return 0;
    }
    this.#settled = new Map(SETTLED_QUANTILES.map((one) => [one, this.quantile(one)]));
    this.#dense = null;
    this.#sparse = null;
    this.#bucket = bucketOf(this.#max);
    return before - SETTLED_BYTES;
  }

  /**
   * How many values lie in each doubling: from 2^`from` on, without empty ones at the ends; null
   * once it has settled without its buckets.
   */
  octaves(): { readonly from: number; readonly counts: readonly number[] } | null {
    if (this.#settled !== null) {
      return null;
    }
    const counts: number[] = [];
    let from = -1;
    for (const [bucket, count] of this.#inOrder()) {
      const octave = Math.floor(Math.log2(Math.max(1, middleOf(bucket))));
      if (from < 0) {
        from = octave;
      }
      while (counts.length <= octave - from) {
        counts.push(0);
      }
      (counts[octave - from] as number) += count;
    }
    return { from: Math.max(0, from), counts };
  }

  /** Adds all that another has; of one that is settled nothing is left to add. */
  merge(other: Histogram): void {
    if (other.#settled !== null) return;
    const max = Math.max(this.#max, other.#max);
    for (const [bucket, count] of other.#inOrder()) {
      this.add(middleOf(bucket));
      // The first one made room for the bucket.
      this.#addMore(bucket, count - 1);
    }
    this.#max = max;
  }

  #addMore(bucket: number, count: number): void {
    this.#count += count;
    if (this.#dense !== null) {
      (this.#dense[bucket] as number) += count;
    } else if (this.#sparse !== null) {
      const mask = this.#sparse.length - 2;
      let at = (bucket << 1) & mask;
      while (this.#sparse[at] !== bucket) at = (at + 2) & mask;
      (this.#sparse[at + 1] as number) += count;
    }
  }

  #inOrder(): readonly (readonly [number, number])[] {
    const pairs: [number, number][] = [];
    if (this.#dense !== null) {
      this.#dense.forEach((count, bucket) => {
        if (count > 0) {
          pairs.push([bucket, count]);
        }
      });
      return pairs;
    }
    const sparse = this.#sparse ?? [this.#bucket, this.#count];
    for (let at = 0; at < sparse.length; at += 2) {
      if (sparse[at] !== EMPTY) {
        pairs.push([sparse[at] as number, sparse[at + 1] as number]);
      }
    }
    return pairs.sort(([a], [b]) => a - b);
  }

  #addFirst(bucket: number): number {
    if (this.#bucket === bucket || this.#bucket === EMPTY) {
      this.#bucket = bucket;
      return 0;
    }
    const sparse = emptyTable(FIRST_ENTRIES);
    put(sparse, this.#bucket, this.#count - 1);
    put(sparse, bucket, 1);
    this.#used = 2;
    this.#sparse = sparse;
    return sparse.length * 8;
  }

  #insert(sparse: number[], at: number, bucket: number): number {
    this.#used += 1;
    // A quarter stays empty, so that a search soon ends.
    if (this.#used * 8 <= sparse.length * 3) {
      sparse[at] = bucket;
      sparse[at + 1] = 1;
      return 0;
    }
    const before = this.byteLength;
    if (sparse.length >= LAST_ENTRIES * 2) {
      const dense = new Uint32Array(BUCKETS);
      for (let from = 0; from < sparse.length; from += 2) {
        if (sparse[from] !== EMPTY) {
          dense[sparse[from] as number] = sparse[from + 1] as number;
        }
      }
      dense[bucket] = 1;
      this.#dense = dense;
      this.#sparse = null;
      return this.byteLength - before;
    }
    const larger = emptyTable(sparse.length);
    for (let from = 0; from < sparse.length; from += 2) {
      if (sparse[from] !== EMPTY) {
        put(larger, sparse[from] as number, sparse[from + 1] as number);
      }
    }
    put(larger, bucket, 1);
    this.#sparse = larger;
    return this.byteLength - before;
  }
}

function emptyTable(entries: number): number[] {
  const table = new Array<number>(entries * 2);
  for (let at = 0; at < table.length; at += 2) {
    table[at] = EMPTY;
    table[at + 1] = 0;
  }
  return table;
}

function put(table: number[], bucket: number, count: number): void {
  const mask = table.length - 2;
  let at = (bucket << 1) & mask;
  while (table[at] !== EMPTY) {
    at = (at + 2) & mask;
  }
  table[at] = bucket;
  table[at + 1] = count;
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
