import { endpointText } from './endpoint-text.js';
import {
  type Endpoint,
  FILTER_FIELDS,
  type FilterField,
  type FilterTerm,
  type FlowRow,
} from './protocol.js';

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
  }
}

function matchesTerm(row: FlowRow, term: FilterTerm): boolean {
  const wanted = term.value.toLowerCase();
  if (term.field !== null) {
    const prefix = wanted.endsWith('*') ? wanted.slice(0, -1) : null;
    return fieldValues(row, term.field).some((value) => {
      const have = value.toLowerCase();
      return prefix === null ? have === wanted : have.startsWith(prefix);
    });
  }
  return textOf(row).includes(wanted);
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

/**
 * Terms of one field widen each other (`proto:tcp proto:udp` is either); terms of
 * different fields, words without a field and negated terms each narrow.
 */
export function matchesFilter(row: FlowRow, terms: readonly FilterTerm[]): boolean {
  const wanted = new Map<FilterField, boolean>();
  for (const term of terms) {
    const matches = matchesTerm(row, term);
    if (term.negate) {
      if (matches) return false;
    } else if (term.field === null) {
      if (!matches) return false;
    } else {
      wanted.set(term.field, (wanted.get(term.field) ?? false) || matches);
    }
  }
  for (const matched of wanted.values()) if (!matched) return false;
  return true;
}
