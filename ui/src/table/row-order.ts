import type { FlowRow } from 'hopscope-protocol';
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

export function compareRows(order: Order): (a: FlowRow, b: FlowRow) => number {
  const key = COLUMNS.find(({ id }) => id === order.column)?.key ?? (() => null);
  const sign = order.descending ? -1 : 1;
  return (a, b) => {
    const left = key(a);
    const right = key(b);
    if (left !== right) {
      if (left === null) return 1;
      if (right === null) return -1;
      return left < right ? -sign : sign;
    }
    // Equal rows keep a fixed order, or they would jump at every tick.
    return a.id < b.id ? -1 : 1;
  };
}
