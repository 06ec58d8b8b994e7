/**
 * The bucket of a hash among `count` buckets, by linear hashing (W. Litwin, VLDB 1980): a
 * table grows by one bucket at a time, so no insertion ever waits for a whole table to be
 * hashed anew. Bucket `count` takes its entries from bucket `splitBucket(count)` alone.
 *
 * @param count at least 1
 */
export function linearBucket(hash: number, count: number): number {
  const half = 0x80000000 >>> Math.clz32(count);
  const bucket = hash & (2 * half - 1);
  return bucket < count ? bucket : bucket & (half - 1);
}

/** The bucket that is split when a table of `count` buckets takes one more. */
export function splitBucket(count: number): number {
  return count - (0x80000000 >>> Math.clz32(count));
}
