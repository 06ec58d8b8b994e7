import type { RuleRecord } from 'hopscope-protocol';
import { type Met, metKey } from './met.js';
import type { Walked } from './walk.js';

/** What was seen of a packet after the rules, or that it was dropped in them. */
export interface SeenAfter {
  /** Null where neither is known. */
  readonly isDropped: boolean | null;
  readonly isTranslated: boolean;
  readonly isMarked: boolean;
}

/** Rules listed for one table at most. */
export const MET_LIMIT = 64;

/** How sure it is that a packet met a rule; see contract of `rules`. */
export interface Judged {
  readonly met: Met;
  readonly certainty: RuleRecord['certainty'];
  /** With `one-of`: how many ways there are. */
  readonly of: number | null;
}

/** The rules of the ways that agree with what was seen, each with how sure it is. */
export function judge({ ways, cut }: Walked, seen: SeenAfter): Judged[] {
  const [first] = ways;
  if (first === undefined) return [];
  const isSure = cut === null;
  const distinct = new Map(ways.map((way) => [way.met.map(metKey).join('\n'), way]));
  const lists = [...distinct.values()].map(({ met }) => met);
  const counts = new Map<string, number>();
  for (const list of lists) {
    for (const key of new Set(list.map(metKey))) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  // The mark that is left is that of the last rule which sets one.
  const lastMark = first.met.findLast(({ effect }) => effect === 'mark');
  const ends = new Set(lists.map((list) => (list.length === 0 ? '' : metKey(list.at(-1) as Met))));
  return union(lists)
    .slice(0, MET_LIMIT)
    .map((met): Judged => {
      if (!isSure) return { met, certainty: 'unknown', of: null };
      if (counts.get(metKey(met)) === lists.length) {
        return {
          met,
          certainty: isSeen(met, seen, met === lastMark) ? 'seen' : 'follows',
          of: null,
        };
      }
      // Whether it was met changes nothing that can be seen, or it is one of those that may have been.
      const isOneOf = ends.size > 1;
      return { met, certainty: isOneOf ? 'one-of' : 'unknown', of: isOneOf ? lists.length : null };
    });
}

function isSeen(
  { effect }: Met,
  { isDropped, isTranslated, isMarked }: SeenAfter,
  isLastMark: boolean,
): boolean {
  switch (effect) {
    case 'drop':
      return isDropped === true;
    case 'nat':
      return isTranslated;
    case 'mark':
      return isMarked && isLastMark;
    default:
      return false;
  }
}

/** All of the lists' rules, each once, in an order that all of them have. */
function union(lists: readonly (readonly Met[])[]): Met[] {
  const result: Met[] = [];
  const places = new Set<string>();
  for (const list of lists) {
    // From the end: what comes before a rule that others have too is put before that.
    let before = result.length;
    for (const met of [...list].reverse()) {
      const key = metKey(met);
      if (places.has(key)) {
        before = result.findIndex((each) => metKey(each) === key);
        continue;
      }
      places.add(key);
      result.splice(before, 0, met);
    }
  }
  return result;
}
