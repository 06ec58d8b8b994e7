import { type FlowRow, type FlowsMessage, ORDER_SLACK, ROW_WINDOW } from 'hopscope-protocol';

/** Rows kept at most: the daemon takes back those that come after ROW_WINDOW others. */
export const ROW_LIMIT = ROW_WINDOW + ORDER_SLACK;

/** Holds one row, so that a change of it redraws that row alone. */
export class RowCell {
  row = $state.raw() as FlowRow;

  constructor(row: FlowRow) {
    this.row = row;
  }
}

/** The rows known to the page, at most ROW_LIMIT: those that changed last. */
export class FlowTableStore {
  /** In the order of changes: a changed row moves to the end. */
  readonly #cells = new Map<string, RowCell>();
  /** Rises with every message that changed rows; read it to depend on all of them. */
  version = $state(0);
  /** Flows in the daemon's table. */
  total = $state(0);
  behind = $state(0);
  /** The feed's time, wall-clock nanoseconds. */
  now = $state('0');
  received = $state(false);

  get size(): number {
    // The map itself is not reactive.
    void this.version;
    return this.#cells.size;
  }

  cell(id: string): RowCell | undefined {
    return this.#cells.get(id);
  }

  cells(): IterableIterator<RowCell> {
    return this.#cells.values();
  }

  apply(message: FlowsMessage): void {
    if (message.reset) this.#cells.clear();
    for (const id of message.removed) this.#cells.delete(id);
    for (const row of message.rows) {
      const cell = this.#cells.get(row.id) ?? new RowCell(row);
      cell.row = row;
      this.#cells.delete(row.id);
      this.#cells.set(row.id, cell);
    }
    if (this.#cells.size > ROW_LIMIT) {
      this.#shorten((row) => row.ended === true);
      this.#shorten(() => true);
    }
    this.total = message.total;
    this.behind = message.behind;
    this.now = message.now;
    this.received = true;
    if (message.reset || message.rows.length > 0 || message.removed.length > 0) this.version += 1;
  }

  /** Removes those that changed longest ago, of what may go, down to the limit. */
  #shorten(mayGo: (row: FlowRow) => boolean): void {
    for (const [id, { row }] of this.#cells) {
      if (this.#cells.size <= ROW_LIMIT) return;
      if (mayGo(row)) this.#cells.delete(id);
    }
  }
}
