import type { ParsedFilter } from './filter-node.js';
import { topLevel, without } from './filter-terms.js';
import type { FlowRow } from './flow-row.js';
import { matchesFilter } from './match-filter.js';
import { parseFilter } from './parse-filter.js';

/** Without one of its conditions a filter that leaves nothing would leave so many rows. */
export interface Remedy {
  /** The condition as it stands in the text. */
  readonly leaveOut: string;
  /** The filter without it. */
  readonly text: string;
  readonly rows: number;
}

/** Which condition to leave out of a filter that leaves no row, the most helpful first. */
export function remedies(filter: ParsedFilter, rows: readonly FlowRow[], now: number): Remedy[] {
  const parts = topLevel(filter);
  return parts
    .map((part) => {
      const text = without(filter.text, part);
      const rest = parseFilter(text);
      const count = rows.reduce((sum, row) => sum + (matchesFilter(row, rest, now) ? 1 : 0), 0);
      return { leaveOut: filter.text.slice(part.at, part.end), text, rows: count };
    })
    .filter((remedy) => remedy.rows > 0)
    .sort((a, b) => a.rows - b.rows);
}
