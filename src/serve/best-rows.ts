import { compareKeys, type RowKey } from 'hopscope-protocol';

export interface Keyed {
  readonly key: RowKey;
}

export interface Candidate extends Keyed {
  readonly slot: number;
}

/**
 * Puts the `count` first of an order to the front, in any order among themselves: a choice takes
 * a step for each candidate, where sorting all would take many (Hoare's selection).
 */
export function bestFirst<T extends Keyed>(
  candidates: T[],
  count: number,
  descending: boolean,
): void {
  let [low, high] = [0, candidates.length - 1];
  while (low < high) {
    const pivot = (candidates[(low + high) >> 1] as T).key;
    let [left, right] = [low, high];
    while (left <= right) {
      while (compareKeys((candidates[left] as T).key, pivot, descending) < 0) left += 1;
      while (compareKeys((candidates[right] as T).key, pivot, descending) > 0) right -= 1;
      if (left > right) break;
      const moved = candidates[left] as T;
      candidates[left] = candidates[right] as T;
      candidates[right] = moved;
      left += 1;
      right -= 1;
    }
    if (count <= right) high = right;
    else if (count >= left) low = left;
    else return;
  }
}

/** The key of the last among the first `count`. */
export function lastKey(
  candidates: readonly Candidate[],
  count: number,
  descending: boolean,
): RowKey {
  let last = candidates[0]?.key ?? null;
  for (let at = 1; at < count; at++) {
    const { key } = candidates[at] as Candidate;
    if (compareKeys(key, last, descending) > 0) last = key;
  }
  return last;
}
