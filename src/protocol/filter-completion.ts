import {
  FILTER_FIELDS,
  fieldValues,
  isNumberField,
  isTextField,
  NUMBER_SPECS,
  TEXT_SPECS,
  type TextField,
} from './filter-fields.js';
import type { FlowRow } from './flow-row.js';
import { suggest } from './suggestion.js';

/** Offers shown at most; rows that values are counted in at most. */
export const OFFER_LIMIT = 12;
export const COUNTED_ROWS = 5_000;

export interface Offer {
  /** What stands in place of what was typed. */
  readonly text: string;
  readonly help: string;
  /** Rows that have the value; null for a field. */
  readonly count: number | null;
  /** Whether more is to be typed after it. */
  readonly isOpen: boolean;
}

export interface Completion {
  /** The part of the text that an offer takes the place of. */
  readonly at: number;
  readonly end: number;
  readonly offers: readonly Offer[];
}

/** How many of the rows have each value of a field. */
export function countValues(rows: Iterable<FlowRow>, field: TextField): Map<string, number> {
  const counts = new Map<string, number>(TEXT_SPECS[field].values?.map((value) => [value, 0]));
  let left = COUNTED_ROWS;
  for (const row of rows) {
    if (left-- === 0) break;
    for (const value of new Set(fieldValues(row, field))) {
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  return counts;
}

function valueText(field: TextField, value: string): string {
  return /[\s"()]/.test(value) ? `${field}:"${value.replaceAll('"', '')}"` : `${field}:${value}`;
}

function fieldOffers(typed: string): Offer[] {
  return FILTER_FIELDS.filter((name) => name.startsWith(typed)).map((name) =>
    isNumberField(name)
      ? { text: `${name}>`, help: NUMBER_SPECS[name].help, count: null, isOpen: true }
      : { text: `${name}:`, help: TEXT_SPECS[name].help, count: null, isOpen: true },
  );
}

/** What may stand at the cursor: fields, or values of the field before it with their counts. */
export function complete(text: string, cursor: number, rows: Iterable<FlowRow>): Completion {
  const before = text.slice(0, cursor);
  const match = /(?:^|[\s(])-?((?:[a-z][a-z0-9]*:"[^"]*|[^\s"()]*))$/i.exec(before);
  const token = match?.[1] ?? '';
  const at = cursor - token.length;
  const parts = /^([a-z][a-z0-9]*):"?(.*)$/is.exec(token);
  const field = (parts?.[1] ?? '').toLowerCase();
  if (parts === null) {
    return { at, end: cursor, offers: fieldOffers(token.toLowerCase()).slice(0, OFFER_LIMIT) };
  }
  if (!isTextField(field)) return { at, end: cursor, offers: [] };
  const wanted = (parts[2] ?? '').toLowerCase();
  const counts = [...countValues(rows, field)];
  const rank = (value: string): number => (value.toLowerCase().startsWith(wanted) ? 0 : 1);
  const offers = counts
    .filter(([value]) => value.toLowerCase().includes(wanted))
    .sort(([a, n], [b, m]) => rank(a) - rank(b) || m - n || (a < b ? -1 : 1))
    .slice(0, OFFER_LIMIT)
    .map(([value, count]) => ({ text: valueText(field, value), help: '', count, isOpen: false }));
  if (offers.length === 0) {
    const near = suggest(
      wanted,
      counts.map(([value]) => value),
    );
    const count = counts.find(([value]) => value === near)?.[1] ?? null;
    if (near !== null) {
      offers.push({
        text: valueText(field, near),
        help: 'did you mean',
        count: count ?? 0,
        isOpen: false,
      });
    }
  }
  return { at, end: cursor, offers };
}
