/** Namespaces asked at a time: as many as libuv's pool has threads. */
const READERS = 4;

/** So many at a time; the workers share one iterator. */
export async function inTurn<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: READERS }, worker));
}
