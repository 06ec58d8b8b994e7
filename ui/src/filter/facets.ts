import {
  alternatives,
  type FlowRow,
  fieldValues,
  nodeMatch,
  type ParsedFilter,
  type TextField,
  topLevel,
} from 'hopscope-protocol';

export interface Facet {
  readonly field: TextField;
  readonly label: string;
}

/** Fields offered as buttons above the table. Each has few values. */
export const FACETS: readonly Facet[] = [
  { field: 'is', label: 'flows' },
  { field: 'verdict', label: 'verdict' },
  { field: 'proto', label: 'protocol' },
  { field: 'encap', label: 'encapsulation' },
  { field: 'node', label: 'node' },
  { field: 'service', label: 'service' },
];

/** Values of one facet offered at most; the rest is reached by typing. */
export const FACET_VALUE_LIMIT = 8;

export interface FacetCount {
  readonly value: string;
  readonly count: number;
}

/**
 * How many rows each value of each facet would leave: rows are counted under the
 * conditions on all other fields, so that a second value of the same field can be
 * chosen.
 */
export function countFacets(
  rows: Iterable<FlowRow>,
  filter: ParsedFilter,
  now: number,
): Map<TextField, FacetCount[]> {
  const conditions = alternatives(topLevel(filter)).map((group) => {
    const [first] = group;
    const matches = group.map(nodeMatch);
    return {
      field: first?.kind === 'text' ? first.field : null,
      holds: (row: FlowRow) => matches.some((match) => match(row, now)),
    };
  });
  const counts = new Map(FACETS.map(({ field }) => [field, new Map<string, number>()]));
  for (const row of rows) {
    const failed = conditions.filter(({ holds }) => !holds(row));
    const only = failed[0]?.field ?? null;
    if (failed.length > 1 || (failed.length === 1 && only === null)) continue;
    for (const [field, values] of counts) {
      if (only !== null && only !== field) continue;
      for (const value of new Set(fieldValues(row, field))) {
        values.set(value, (values.get(value) ?? 0) + 1);
      }
    }
  }
  return new Map(
    [...counts].map(([field, values]) => [
      field,
      [...values]
        .filter(([value]) => shownValue(field, value))
        .map(([value, count]) => ({ value, count }))
        .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1)),
    ]),
  );
}

/** Of what holds of a flow only whether it goes on; of a service its whole name. */
function shownValue(field: TextField, value: string): boolean {
  if (field === 'is') return value === 'live' || value === 'ended';
  return field !== 'service' || value.includes('/');
}
