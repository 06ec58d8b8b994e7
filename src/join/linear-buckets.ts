import { linearBucket, splitBucket } from './linear-hash.js';

const INITIAL_BUCKETS = 64;
const NONE = -1;

/**
 * The buckets of a hash table that grows by linear hashing (see `linear-hash.ts`). An entry is
 * a number from 0 on, and each has a word for the next one of its bucket. The owner keeps
 * these words and walks the chains, since a call for each step would take longer than the step.
 */
export class LinearBuckets {
  /** The first entry of each bucket, -1 for none; those from `#count` on are not in use yet. */
  #heads = new Int32Array(INITIAL_BUCKETS).fill(NONE);
  #count = INITIAL_BUCKETS;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get byteLength(): number {
    return this.#heads.byteLength;
  }

  /** The first entry of the bucket of a hash, or -1. */
  first(hash: number): number {
    return this.#heads[linearBucket(hash, this.#count)] as number;
  }

  /**
   * Counts one entry more, before it is put in, and takes another bucket into use when there
   * are as many entries as buckets.
   *
   * @returns the first of a chain of entries that must each be put in anew, or -1
   */
  makeRoom(): number {
    this.#size += 1;
    return this.#size <= this.#count ? NONE : this.#split();
  }

  /** Puts an entry first in its bucket. @returns the next one of it, or -1 */
  put(entry: number, hash: number): number {
    const bucket = linearBucket(hash, this.#count);
    const next = this.#heads[bucket] as number;
    this.#heads[bucket] = entry;
    return next;
  }

  /**
   * Takes an entry out where it is the first of its bucket.
   *
   * @param next the entry after it, or -1
   * @returns -1, or the entry that is first: the owner looks for this one in the chain after it
   */
  remove(entry: number, hash: number, next: number): number {
    const heads = this.#heads;
    const bucket = linearBucket(hash, this.#count);
    this.#size -= 1;
    if (heads[bucket] === entry) {
      heads[bucket] = next;
      return NONE;
    }
    return heads[bucket] as number;
  }

  /** @returns the first entry of the bucket that was split, which is empty now */
  #split(): number {
    const count = this.#count;
    if (count === this.#heads.length) {
      const larger = new Int32Array(count * 2);
      larger.set(this.#heads);
      this.#heads = larger;
    }
    const from = splitBucket(count);
    const first = this.#heads[from] as number;
    this.#heads[from] = NONE;
    this.#heads[count] = NONE;
    this.#count = count + 1;
    return first;
  }
}
