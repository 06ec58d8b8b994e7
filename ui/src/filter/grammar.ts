import type { FilterField, FilterTerm } from 'hopscope-protocol';

export { parseFilter } from 'hopscope-protocol';

function formatTerm(term: FilterTerm): string {
  const plain = !/[\s"]/.test(term.value);
  const value = plain ? term.value : `"${term.value.replaceAll('"', '')}"`;
  return `${term.negate ? '-' : ''}${term.field === null ? '' : `${term.field}:`}${value}`;
}

export function formatFilter(terms: readonly FilterTerm[]): string {
  return terms.map(formatTerm).join(' ');
}

function same(a: FilterTerm, b: FilterTerm): boolean {
  return (
    a.field === b.field && a.negate === b.negate && a.value.toLowerCase() === b.value.toLowerCase()
  );
}

export function hasTerm(terms: readonly FilterTerm[], term: FilterTerm): boolean {
  return terms.some((other) => same(other, term));
}

/** Adds the term, or takes it out when it is there. */
export function toggleTerm(terms: readonly FilterTerm[], term: FilterTerm): FilterTerm[] {
  return hasTerm(terms, term) ? terms.filter((other) => !same(other, term)) : [...terms, term];
}

export function fieldTerm(field: FilterField, value: string, negate = false): FilterTerm {
  return { field, value, negate };
}
