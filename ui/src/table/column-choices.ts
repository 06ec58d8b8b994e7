import { COLUMNS } from './columns.js';

/** Pixels that a column takes at least, and at most. */
export const LEAST_WIDTH = 40;
export const MOST_WIDTH = 800;

/** One column as it was set up. */
export interface ColumnChoice {
  readonly id: string;
  readonly isShown: boolean;
  /** Pixels; null for what the column has by itself. */
  readonly width: number | null;
}

export const DEFAULT_CHOICES: readonly ColumnChoice[] = COLUMNS.map(({ id, optional }) => ({
  id,
  isShown: optional !== true,
  width: null,
}));

/** What was remembered, as far as it can be used: columns that it does not know come last. */
export function parseChoices(text: string | null): readonly ColumnChoice[] {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '[]');
  } catch {
    return DEFAULT_CHOICES;
  }
  const found = (Array.isArray(value) ? value : []).flatMap((one: unknown): ColumnChoice[] => {
    if (typeof one !== 'object' || one === null) return [];
    const { id, isShown, width } = one as Readonly<Record<string, unknown>>;
    const isKnown = typeof id === 'string' && DEFAULT_CHOICES.some((other) => other.id === id);
    if (!isKnown || typeof isShown !== 'boolean') return [];
    return [{ id, isShown, width: typeof width === 'number' ? clampWidth(width) : null }];
  });
  const once = found.filter((one, at) => found.findIndex(({ id }) => id === one.id) === at);
  return [...once, ...DEFAULT_CHOICES.filter(({ id }) => !once.some((one) => one.id === id))];
}

export function clampWidth(width: number): number {
  return Math.round(Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, width)));
}
