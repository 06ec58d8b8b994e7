import { readSetting, writeSetting } from '../settings/settings.js';
import type { Column } from './column.js';
import { COLUMNS } from './columns.js';

const NAME = 'columns';
/** Pixels that a column takes at least, and at most. */
export const LEAST_WIDTH = 40;
export const MOST_WIDTH = 800;

interface Setup {
  readonly id: string;
  readonly isShown: boolean;
  /** Pixels; null for what the column has by itself. */
  readonly width: number | null;
}

const DEFAULT: readonly Setup[] = COLUMNS.map(({ id, optional }) => ({
  id,
  isShown: optional !== true,
  width: null,
}));

/** What was remembered, as far as it can be used: columns that it does not know come last. */
export function parseSetup(text: string | null): readonly Setup[] {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '[]');
  } catch {
    return DEFAULT;
  }
  const found = (Array.isArray(value) ? value : []).flatMap((one: unknown): Setup[] => {
    if (typeof one !== 'object' || one === null) return [];
    const { id, isShown, width } = one as Readonly<Record<string, unknown>>;
    const isKnown = typeof id === 'string' && DEFAULT.some((other) => other.id === id);
    if (!isKnown || typeof isShown !== 'boolean') return [];
    return [{ id, isShown, width: typeof width === 'number' ? clamp(width) : null }];
  });
  const once = found.filter((one, at) => found.findIndex(({ id }) => id === one.id) === at);
  return [...once, ...DEFAULT.filter(({ id }) => !once.some((one) => one.id === id))];
}

function clamp(width: number): number {
  return Math.round(Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, width)));
}

/** Which columns the table has, in what order and how wide; the browser remembers it. */
export class ColumnSetup {
  list = $state.raw<readonly Setup[]>(parseSetup(readSetting(NAME)));

  readonly columns: readonly Column[] = $derived(
    this.list.flatMap(({ id, isShown, width }) => {
      const column = COLUMNS.find((one) => one.id === id);
      if (column === undefined || !isShown) return [];
      return [width === null ? column : { ...column, width, grow: 0 }];
    }),
  );

  toggle(id: string): void {
    const shown = this.list.filter(({ isShown }) => isShown);
    // A table without columns cannot be set up again by eye.
    if (shown.length === 1 && shown[0]?.id === id) return;
    this.#change(id, ({ isShown }) => ({ isShown: !isShown }));
  }

  resize(id: string, width: number | null): void {
    this.#change(id, () => ({ width: width === null ? null : clamp(width) }));
  }

  move(id: string, by: 1 | -1): void {
    const list = [...this.list];
    const at = list.findIndex((one) => one.id === id);
    const [moved] = list.splice(at, 1);
    if (moved === undefined) return;
    list.splice(Math.max(0, Math.min(list.length, at + by)), 0, moved);
    this.#set(list);
  }

  reset(): void {
    this.#set(DEFAULT);
  }

  #change(id: string, to: (setup: Setup) => Partial<Setup>): void {
    this.#set(this.list.map((one) => (one.id === id ? { ...one, ...to(one) } : one)));
  }

  #set(list: readonly Setup[]): void {
    this.list = list;
    writeSetting(NAME, JSON.stringify(list));
  }
}
