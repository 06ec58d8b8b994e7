import {
  compareKeys,
  type FlowRow,
  ORDER_COLUMNS,
  ROW_KEYS,
  type RowOrder,
} from 'hopscope-protocol';

/** Newest first: rows stay where they are while their packets go on. */
export const DEFAULT_ORDER: RowOrder = { column: 'start', descending: true };

/** `-p99` is by p99, large first. */
export function parseOrder(text: string): RowOrder {
  const descending = text.startsWith('-');
  const name = descending ? text.slice(1) : text;
  const column = ORDER_COLUMNS.find((one) => one === name);
  return column === undefined ? DEFAULT_ORDER : { column, descending };
}

export function formatOrder({ column, descending }: RowOrder): string {
  return `${descending ? '-' : ''}${column}`;
}

/** In order. Each key is made once: it may be the text of an address. */
export function sortedCells<T extends { readonly row: FlowRow }>(
  cells: readonly T[],
  order: RowOrder,
): T[] {
  const key = ROW_KEYS[order.column];
  const keyed = cells.map((cell) => ({ cell, key: key(cell.row), id: cell.row.id }));
  // Equal rows keep a fixed order, or they would jump at every tick.
  keyed.sort((a, b) => compareKeys(a.key, b.key, order.descending) || (a.id < b.id ? -1 : 1));
  return keyed.map(({ cell }) => cell);
}
