import {
  FILTER_TERM_LIMIT,
  type FilterField,
  type FilterTerm,
  isFilterField,
} from '../../../src/serve/protocol.js';

/**
 * What may stand in the filter box: words, `field:value`, `-` before either to
 * exclude, quotes around a value with spaces, `*` at the end of a value for any
 * rest. A colon after something that is no field is part of a word, so that an
 * IPv6 address needs no quotes.
 */
export function parseFilter(text: string): FilterTerm[] {
  const terms: FilterTerm[] = [];
  for (const match of text.matchAll(/(-?)(?:([a-z]+):)?(?:"([^"]*)"?|(\S+))/gi)) {
    const negate = match[1] === '-';
    const name = match[2]?.toLowerCase() ?? null;
    const rest = match[3] ?? match[4] ?? '';
    const field = name !== null && isFilterField(name) ? name : null;
    const value = field === null && match[2] !== undefined ? `${match[2]}:${rest}` : rest;
    if (value !== '' && terms.length < FILTER_TERM_LIMIT) {
      terms.push({ field, value: value.slice(0, 256), negate });
    }
  }
  return terms;
}

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
