import { endpointText } from './endpoint-text.js';
import { FILTER_FIELDS, type FilterField, type FilterTerm, isFilterField } from './filter-term.js';
import type { Endpoint, FlowRow } from './flow-row.js';
import { FILTER_TERM_LIMIT, FILTER_TEXT_LIMIT } from './limits.js';

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
      terms.push({ field, value: value.slice(0, FILTER_TEXT_LIMIT), negate });
    }
  }
  return terms;
}

function endpointValues(endpoint: Endpoint | null): string[] {
  return endpoint === null ? [] : [endpoint.address, endpointText(endpoint)];
}

function present(...values: readonly (string | null)[]): string[] {
  return values.filter((value): value is string => value !== null);
}

/** The values a row has for a field; a term on the field matches any one of them. */
export function fieldValues(row: FlowRow, field: FilterField): string[] {
  switch (field) {
    case 'src':
      return [...present(row.srcName), ...endpointValues(row.src), ...endpointValues(row.snat)];
    case 'dst':
      return [...present(row.service), ...endpointValues(row.dst)];
    case 'to':
      return [...present(row.dstName), ...endpointValues(row.dnat ?? row.dst)];
    case 'port':
      return [row.src.port, row.dst.port, row.dnat?.port ?? null, row.snat?.port ?? null]
        .filter((port) => port !== null)
        .map(String);
    case 'proto':
      return [row.proto];
    case 'service':
      return present(row.service);
    case 'state':
      return [row.state];
    case 'verdict':
      return [row.verdict];
    case 'reason':
      return present(row.dropReason);
    case 'encap':
      return row.encapsulation.length === 0 ? ['none'] : row.encapsulation.map(({ type }) => type);
    case 'node':
      return present(row.srcNode, row.dstNode);
    case 'mtu':
      return [row.mtu];
    case 'id':
      return [row.id];
    case 'pod':
    case 'ns':
    case 'svc':
    case 'workload':
    case 'label':
      return (row.tags ?? [])
        .filter((tag) => tag.startsWith(`${field}:`))
        .map((tag) => tag.slice(field.length + 1));
  }
}

type Matches = (row: FlowRow) => boolean;

function termMatches({ field, value }: FilterTerm): Matches {
  const wanted = value.toLowerCase();
  if (field === null) return (row) => textOf(row).includes(wanted);
  const prefix = wanted.endsWith('*') ? wanted.slice(0, -1) : null;
  return (row) =>
    fieldValues(row, field).some((one) => {
      const have = one.toLowerCase();
      return prefix === null ? have === wanted : have.startsWith(prefix);
    });
}

/** Rows are never changed, and a filter box asks each of thousands at every keystroke. */
const texts = new WeakMap<FlowRow, string>();

/** All values of a row in lower case, one a line. */
function textOf(row: FlowRow): string {
  let text = texts.get(row);
  if (text === undefined) {
    text = FILTER_FIELDS.flatMap((field) => fieldValues(row, field))
      .join('\n')
      .toLowerCase();
    texts.set(row, text);
  }
  return text;
}

/** What has to match, for each row: words and negated terms, then of each field one term. */
function prepared(terms: readonly FilterTerm[]): Matches {
  const each: Matches[] = [];
  const byField = new Map<FilterField, Matches[]>();
  for (const term of terms) {
    const matches = termMatches(term);
    if (term.negate) each.push((row) => !matches(row));
    else if (term.field === null) each.push(matches);
    else byField.set(term.field, [...(byField.get(term.field) ?? []), matches]);
  }
  for (const any of byField.values()) each.push((row) => any.some((matches) => matches(row)));
  return (row) => each.every((matches) => matches(row));
}

/** A filter is asked about thousands of rows, and its terms are never changed. */
const filters = new WeakMap<readonly FilterTerm[], Matches>();

/**
 * Terms of one field widen each other (`proto:tcp proto:udp` is either); terms of
 * different fields, words without a field and negated terms each narrow.
 */
export function matchesFilter(row: FlowRow, terms: readonly FilterTerm[]): boolean {
  let matches = filters.get(terms);
  if (matches === undefined) {
    matches = prepared(terms);
    filters.set(terms, matches);
  }
  return matches(row);
}
