import type { RowCell } from '../store/flow-table.svelte.js';
import { COLUMNS } from './columns.js';

export interface Order {
  readonly column: string;
  readonly descending: boolean;
}

/** Newest first: rows stay where they are while their packets go on. */
export const DEFAULT_ORDER: Order = { column: 'start', descending: true };

/** `-p99` is by p99, large first. */
export function parseOrder(text: string): Order {
  const descending = text.startsWith('-');
  const column = descending ? text.slice(1) : text;
  return COLUMNS.some(({ id }) => id === column) ? { column, descending } : DEFAULT_ORDER;
}

export function formatOrder({ column, descending }: Order): string {
  return `${descending ? '-' : ''}${column}`;
}

/** In order. Each key is made once: it may be the text of an address. */
export function sortedCells(cells: readonly RowCell[], order: Order): RowCell[] {
  const key = COLUMNS.find(({ id }) => id === order.column)?.key ?? (() => null);
  const sign = order.descending ? -1 : 1;
  const keyed = cells.map((cell) => ({ cell, key: key(cell.row), id: cell.row.id }));
  keyed.sort((a, b) => {
    if (a.key !== b.key) {
      if (a.key === null) return 1;
      if (b.key === null) return -1;
      return a.key < b.key ? -sign : sign;
    }
    // Equal rows keep a fixed order, or they would jump at every tick.
    return a.id < b.id ? -1 : 1;
  });
  return keyed.map(({ cell }) => cell);
}
