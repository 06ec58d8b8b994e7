/**
 * From when to when something held, monotonic milliseconds; absent where that is not known: from
 * before all that is seen, and still.
 */
export interface Lifetime {
  readonly from?: number;
  readonly until?: number;
}

/**
 * The one that held at a time: of several the one that began last, then the one that ended first,
 * then the first. What has no beginning known began before the others, and ends when they do not.
 *
 * @param at monotonic milliseconds; null for now
 */
export function heldAt<T extends Lifetime>(entries: readonly T[], at: number | null): T | null {
  const time = at ?? Number.POSITIVE_INFINITY;
  let best: T | null = null;
  for (const each of entries) {
    const { from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = each;
    if (from > time || (until <= time && until !== Number.POSITIVE_INFINITY)) continue;
    if (best === null) {
      best = each;
      continue;
    }
    const bestFrom = best.from ?? Number.NEGATIVE_INFINITY;
    const bestUntil = best.until ?? Number.POSITIVE_INFINITY;
    if (from > bestFrom || (from === bestFrom && until < bestUntil)) best = each;
  }
  return best;
}

/** Names that held and hold no more, of one provider, that are kept. */
export const ENDED_LIMIT = 4_096;

/** Remembers what is said no more, with the time when that was found. */
export class Endings<T extends Lifetime> {
  readonly #keyOf: (entry: T) => string;
  readonly #limit: number;
  #current = new Map<string, T>();
  /** The oldest first. */
  readonly #ended = new Map<string, T>();
  /** Removed since there were too many. */
  forgotten = 0;

  /** @param keyOf the same for what is known more of later */
  constructor(keyOf: (entry: T) => string, limit = ENDED_LIMIT) {
    this.#keyOf = keyOf;
    this.#limit = limit;
  }

  /**
   * What is said now, and what was said before with its end.
   *
   * @param now monotonic milliseconds
   */
  update(said: readonly T[], now: number): readonly T[] {
    const current = new Map(said.map((each) => [this.#keyOf(each), each]));
    for (const [key, each] of this.#current) {
      if (!current.has(key) && each.until === undefined) {
        this.#ended.delete(key);
        this.#ended.set(key, { ...each, until: now });
      }
    }
    // It was only not heard of for a while.
    for (const key of current.keys()) this.#ended.delete(key);
    for (const key of this.#ended.keys()) {
      if (this.#ended.size <= this.#limit) break;
      this.#ended.delete(key);
      this.forgotten += 1;
    }
    this.#current = current;
    return this.#ended.size === 0 ? said : [...said, ...this.#ended.values()];
  }
}
