import { TAG_FIELDS } from './flow-tags.js';

export const FILTER_FIELDS = [
  'src',
  'dst',
  'to',
  'port',
  'proto',
  'service',
  'state',
  'verdict',
  'reason',
  'encap',
  'node',
  'mtu',
  'id',
  ...TAG_FIELDS,
] as const;
export type FilterField = (typeof FILTER_FIELDS)[number];

/** One condition. Without a field, `value` may stand anywhere in the row. */
export interface FilterTerm {
  readonly field: FilterField | null;
  readonly value: string;
  readonly negate: boolean;
}

export function isFilterField(name: string): name is FilterField {
  return (FILTER_FIELDS as readonly string[]).includes(name);
}
