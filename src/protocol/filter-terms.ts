import { isTextField } from './filter-fields.js';
import type { FilterNode, FilterTerm, ParsedFilter } from './filter-node.js';
import { parseFilter } from './parse-filter.js';

/** The conditions that all have to hold, as they stand in the text. */
export function topLevel({ node }: ParsedFilter): readonly FilterNode[] {
  if (node === null) return [];
  return node.kind === 'and' ? node.parts : [node];
}

function quoted(value: string): string {
  return /[\s"()]/.test(value) || value === '' ? `"${value.replaceAll('"', '')}"` : value;
}

export function termText({ field, value, negate }: FilterTerm): string {
  return `${negate ? '-' : ''}${field}:${quoted(value)}`;
}

function isTerm(node: FilterNode, { field, value, negate }: FilterTerm): boolean {
  const part = node.kind === 'not' ? node.part : node;
  return (
    (node.kind === 'not') === negate &&
    part.kind === 'text' &&
    part.field === field &&
    part.value.toLowerCase() === value.toLowerCase()
  );
}

export function hasTerm(filter: ParsedFilter, term: FilterTerm): boolean {
  return topLevel(filter).some((node) => isTerm(node, term));
}

/** The text without one of its parts. */
export function without(
  text: string,
  { at, end }: { readonly at: number; readonly end: number },
): string {
  return `${text.slice(0, at).trimEnd()} ${text.slice(end).trimStart()}`.trim();
}

/** Adds the term to the text, or takes it out where it is there. What excludes it goes. */
export function toggleTerm(text: string, term: FilterTerm): string {
  const filter = parseFilter(text);
  const known = topLevel(filter).find((node) => isTerm(node, term));
  if (known !== undefined) return without(text, known);
  const opposite = { ...term, negate: !term.negate };
  const other = topLevel(filter).find((node) => isTerm(node, opposite));
  const rest = other === undefined ? text.trim() : without(text, other);
  // Beside an OR a further condition would narrow one of its sides alone.
  const before = parseFilter(rest).node?.kind === 'or' ? `(${rest})` : rest;
  return before === '' ? termText(term) : `${before} ${termText(term)}`;
}

export function fieldTerm(field: string, value: string, negate = false): FilterTerm {
  if (!isTextField(field)) throw new TypeError(`${field} is no field with values`);
  return { field, value, negate };
}
