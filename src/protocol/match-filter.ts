import { isWithin, parsePrefix } from './address-prefix.js';
import {
  fieldNumber,
  fieldValues,
  SEARCHED_FIELDS,
  TEXT_SPECS,
  type TextField,
} from './filter-fields.js';
import type { FilterNode, ParsedFilter, RangeNode, TextNode } from './filter-node.js';
import type { FlowRow } from './flow-row.js';

/** `now`: wall-clock nanoseconds, for ages. */
export type RowMatch = (row: FlowRow, now: number) => boolean;

const ADDRESS_FIELDS: readonly TextField[] = ['src', 'dst', 'to'];

/** Rows are never changed, and a filter box asks each of thousands at every keystroke. */
const texts = new WeakMap<FlowRow, string>();

/** All values of a row in lower case, one a line. */
function textOf(row: FlowRow): string {
  let text = texts.get(row);
  if (text === undefined) {
    text = SEARCHED_FIELDS.flatMap((field) => fieldValues(row, field))
      .join('\n')
      .toLowerCase();
    texts.set(row, text);
  }
  return text;
}

function valueMatch(wanted: string): (value: string) => boolean {
  if (!wanted.includes('*')) return (value) => value === wanted;
  const parts = wanted.split('*');
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  return (value) => {
    if (!value.startsWith(first)) return false;
    let at = first.length;
    for (const part of parts.slice(1, -1)) {
      const found = value.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return value.length - last.length >= at && value.endsWith(last);
  };
}

function textMatch({ field, value }: TextNode): RowMatch {
  const wanted = value.toLowerCase();
  const isAddress = field === null || TEXT_SPECS[field].isAddress === true;
  const prefix = isAddress ? parsePrefix(wanted) : null;
  if (prefix !== null) {
    const fields = field === null ? ADDRESS_FIELDS : [field];
    return (row) =>
      fields.some((one) => fieldValues(row, one).some((text) => isWithin(text, prefix)));
  }
  if (field === null) return (row) => textOf(row).includes(wanted);
  const matches = valueMatch(wanted);
  return (row) => fieldValues(row, field).some((one) => matches(one.toLowerCase()));
}

function rangeMatch({ field, low, high, isLowOpen, isHighOpen }: RangeNode): RowMatch {
  const within = (value: number): boolean =>
    (isLowOpen ? value > low : value >= low) && (isHighOpen ? value < high : value <= high);
  if (field === 'port')
    return (row) => fieldValues(row, 'port').some((port) => within(Number(port)));
  return (row, now) => {
    const value = fieldNumber(row, field, now);
    return value !== null && within(value);
  };
}

/** What one part of a filter asks of a row. */
export function nodeMatch(node: FilterNode): RowMatch {
  switch (node.kind) {
    case 'text':
      return textMatch(node);
    case 'range':
      return rangeMatch(node);
    case 'not': {
      const part = nodeMatch(node.part);
      return (row, now) => !part(row, now);
    }
    case 'or': {
      const parts = node.parts.map(nodeMatch);
      return (row, now) => parts.some((part) => part(row, now));
    }
    case 'and': {
      const parts = alternatives(node.parts).map((group) => {
        const matches = group.map(nodeMatch);
        const [only] = matches;
        return matches.length === 1 && only !== undefined
          ? only
          : (row: FlowRow, now: number) => matches.some((match) => match(row, now));
      });
      return (row, now) => parts.every((part) => part(row, now));
    }
  }
}

/** Conditions that hold together; values of one field side by side are alternatives. */
export function alternatives(parts: readonly FilterNode[]): FilterNode[][] {
  const groups: FilterNode[][] = [];
  const byField = new Map<TextField, FilterNode[]>();
  for (const part of parts) {
    const field = part.kind === 'text' ? part.field : null;
    const known = field === null ? undefined : byField.get(field);
    if (known !== undefined) {
      known.push(part);
      continue;
    }
    const group = [part];
    groups.push(group);
    if (field !== null) byField.set(field, group);
  }
  return groups;
}

/** A filter is asked about thousands of rows, and is never changed. */
const compiled = new WeakMap<ParsedFilter, RowMatch>();

/**
 * Whether a row is one that a filter lets through. Values of one field widen each other
 * (`proto:tcp proto:udp` is either), everything else narrows.
 */
export function matchesFilter(row: FlowRow, filter: ParsedFilter, now: number): boolean {
  if (filter.node === null) return true;
  let match = compiled.get(filter);
  if (match === undefined) {
    match = nodeMatch(filter.node);
    compiled.set(filter, match);
  }
  return match(row, now);
}
