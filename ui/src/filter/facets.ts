import {
  type FilterField,
  type FilterTerm,
  type FlowRow,
  fieldValues,
  matchesFilter,
} from 'hopscope-protocol';

export interface Facet {
  readonly field: FilterField;
  readonly label: string;
}

/** Fields offered as buttons above the table. Each has few values. */
export const FACETS: readonly Facet[] = [
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
  terms: readonly FilterTerm[],
): Map<FilterField, FacetCount[]> {
  const narrowing = terms.filter((term) => term.field === null || term.negate);
  const byField = new Map<FilterField, FilterTerm[]>();
  for (const term of terms) {
    if (term.field === null || term.negate) continue;
    byField.set(term.field, [...(byField.get(term.field) ?? []), term]);
  }
  const counts = new Map(FACETS.map(({ field }) => [field, new Map<string, number>()]));
  for (const row of rows) {
    if (narrowing.length > 0 && !matchesFilter(row, narrowing)) continue;
    const failed = [...byField].filter(([, wanted]) => !matchesFilter(row, wanted));
    if (failed.length > 1) continue;
    const only = failed[0]?.[0] ?? null;
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
        .map(([value, count]) => ({ value, count }))
        .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1)),
    ]),
  );
}
