import type { FilterField, NumberField, TextField } from './filter-fields.js';

/** Where in the text it stands: from `at`, up to before `end`. */
export interface Span {
  readonly at: number;
  readonly end: number;
}

/** Without a field the value may stand anywhere in the row. */
export interface TextNode extends Span {
  readonly kind: 'text';
  readonly field: TextField | null;
  readonly value: string;
}

/** Ends that are not open belong to it. */
export interface RangeNode extends Span {
  readonly kind: 'range';
  readonly field: NumberField | 'port';
  readonly low: number;
  readonly high: number;
  readonly isLowOpen: boolean;
  readonly isHighOpen: boolean;
}

export interface NotNode extends Span {
  readonly kind: 'not';
  readonly part: FilterNode;
}

export interface GroupNode extends Span {
  readonly kind: 'and' | 'or';
  readonly parts: readonly FilterNode[];
}

export type FilterNode = TextNode | RangeNode | NotNode | GroupNode;

/** Why a part of a filter was left out. */
export interface FilterProblem extends Span {
  readonly code:
    | 'unknown-field'
    | 'unknown-value'
    | 'bad-number'
    | 'missing-value'
    | 'unbalanced'
    | 'missing-term'
    | 'too-long';
  readonly message: string;
  /** What was probably meant, in place of the span. */
  readonly suggestion: string | null;
}

export interface ParsedFilter {
  readonly text: string;
  /** Null where nothing is asked for: all rows match. */
  readonly node: FilterNode | null;
  readonly problems: readonly FilterProblem[];
}

/** A condition that a click adds: a value of one field, or not. */
export interface FilterTerm {
  readonly field: FilterField;
  readonly value: string;
  readonly negate: boolean;
}
