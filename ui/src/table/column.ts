import type { FilterTerm, FlowRow } from 'hopscope-protocol';

export type Tone = 'plain' | 'name' | 'dim' | 'good' | 'warn' | 'bad' | 'mark';

/** A part of a cell. One with a term is a button that filters by it. */
export interface Part {
  readonly text: string;
  readonly tone?: Tone;
  readonly term?: FilterTerm;
  readonly title?: string;
}

export interface CellContext {
  /** The feed's time, wall-clock nanoseconds. */
  readonly now: string;
}

/** A column is data: adding one to `COLUMNS` is all it takes to have it in the table. */
export interface Column {
  /** Of a column that rows can be ordered by, its name in ORDER_COLUMNS. */
  readonly id: string;
  readonly label: string;
  readonly help: string;
  /** Share of the width, and the pixels below which it does not shrink. */
  readonly grow: number;
  readonly width: number;
  readonly numeric?: boolean;
  /** Not shown before somebody chooses it. */
  readonly optional?: boolean;
  /** Columns of a higher number are left out first in a narrow window. */
  readonly rank: number;
  /** Large values first when first clicked. */
  readonly descending?: boolean;
  readonly parts: (row: FlowRow, context: CellContext) => readonly Part[];
}
