import {
  compareKeys,
  type FlowRow,
  matchesFilter,
  ORDER_SLACK,
  type ParsedFilter,
  parseFilter,
  ROW_KEYS,
  ROW_WINDOW,
  type RowKey,
  type RowOrder,
  topLevel,
} from 'hopscope-protocol';
import { bestFirst, type Candidate, lastKey } from './best-rows.js';
import { CLIENT_REMOVED_LIMIT, FILTERED_ROW_COST, REORDER_MS } from './limits.js';
import type { RowListener, RowTable } from './row-table.js';
import { SlotSet } from './slot-set.js';

const ALL = parseFilter('');

export interface RowDelta {
  readonly reset: boolean;
  /** Rows as JSON texts. */
  readonly rows: readonly string[];
  readonly removed: readonly string[];
  /** Rows that wait for the next time. */
  readonly behind: number;
}

/**
 * What one client has to be sent of the table's rows: two bits for each slot, one for
 * "changed since it was sent" and one for "the client has it". Changed rows are sent in
 * the order of slots, going on where the last message ended: so each comes once in a
 * round, however often it changes, and the busiest neither come before the others nor
 * wait for them. Rows it never had have up to half of a message, in the order they came.
 * A client that misses messages gets the newest state of each row.
 */
export class ClientRows implements RowListener {
  readonly #table: RowTable;
  readonly #now: () => string;
  readonly #changed: SlotSet;
  readonly #known: SlotSet;
  /** The slot that the next message goes on at. */
  #hand = 0;
  /** Slots of changed rows the client never had, and how far they were sent. */
  #fresh: number[] = [];
  #freshAt = 0;
  #filter = ALL;
  #removed: string[] = [];
  #reset = true;
  /** Slots to look through for rows to begin with, the newest change first. */
  #scan: Uint32Array | null = null;
  #scanned = 0;
  /** What comes first of all that match; null for what changed last. */
  #order: RowOrder | null = null;
  #candidates: Candidate[] = [];
  /** The last key that the page is to have; null while it has all that match. */
  #bound: { readonly key: RowKey } | null = null;
  #rankedAt = 0;
  #isReordering = false;
  /** Slots to begin with, the newest change first; sent from the other end. */
  #window: number[] = [];
  /** At rows, that `next` has left. */
  #looks = 0;
  /** The feed's time at the call of `next`, for ages: thousands of rows ask for it. */
  #nowNs = 0;

  /** @param now the feed's time, wall-clock nanoseconds */
  constructor(table: RowTable, now: () => string) {
    this.#table = table;
    this.#now = now;
    this.#changed = new SlotSet(table.limit);
    this.#known = new SlotSet(table.limit);
    table.listen(this);
    this.restart(ALL);
  }

  close(): void {
    this.#table.unlisten(this);
  }

  /** Begins anew with what matches: the ROW_WINDOW rows that come first, or changed last; then what changes. */
  restart(filter: ParsedFilter, order: RowOrder | null = null): void {
    this.#filter = filter;
    this.#order = order;
    this.cleared();
    this.#scan = this.#table.byRecency();
  }

  /** Looks anew which rows come first, where there is an order and more rows than the page holds. */
  reorder(): void {
    if (this.#bound === null || this.#scan !== null) return;
    if (this.#table.now - this.#rankedAt < REORDER_MS) return;
    this.#scan = this.#table.byRecency();
    this.#scanned = 0;
    this.#candidates = [];
    this.#isReordering = true;
  }

  cleared(): void {
    this.#changed.clear();
    this.#known.clear();
    this.#removed = [];
    this.#window = [];
    this.#fresh = [];
    this.#freshAt = 0;
    this.#scan = null;
    this.#scanned = 0;
    this.#candidates = [];
    this.#bound = null;
    this.#isReordering = false;
    this.#reset = true;
  }

  changed(slot: number, old: boolean): void {
    const known = this.#known.has(slot);
    // A page that is full has no use for rows older than all it has.
    if (old && !known && this.#known.size >= ROW_WINDOW) return;
    if (!known && this.#isPastBound(slot)) return;
    if (!this.#changed.add(slot)) return;
    if (known || old) return;
    // While nothing is sent, slots may be used again and again: then all wait in their order.
    if (this.#fresh.length >= this.#table.limit) {
      this.#fresh = [];
      this.#freshAt = 0;
    }
    this.#fresh.push(slot);
  }

  removed(slot: number, id: string): void {
    this.#changed.delete(slot);
    if (!this.#known.delete(slot)) return;
    this.#removed.push(id);
    if (this.#removed.length > CLIENT_REMOVED_LIMIT) this.restart(this.#filter, this.#order);
  }

  /**
   * What to send next, at most `limit` rows, for at most `looks` at rows: one with a filter
   * takes as many as FILTERED_ROW_COST and its terms. Null while there is more to look at to
   * begin anew. What it returns counts as sent.
   */
  next(limit: number, looks: number): RowDelta | null {
    this.#nowNs = Number(this.#now());
    const conditions = topLevel(this.#filter).length;
    const filtered = conditions === 0 ? 1 : FILTERED_ROW_COST + conditions;
    this.#looks = Math.max(1, Math.floor(looks / filtered));
    if (this.#scan !== null) {
      // While it only looks for another order, what is known is sent as ever.
      const all = this.#looks;
      if (this.#isReordering) this.#looks = all >> 1;
      const isThrough = this.#lookThrough(this.#scan);
      if (!isThrough && !this.#isReordering) return null;
      if (!isThrough) this.#looks = all - (all >> 1);
    }
    const rows: string[] = [];
    while (rows.length < limit && this.#looks > 0) {
      const slot = this.#window.pop();
      if (slot === undefined) break;
      this.#changed.delete(slot);
      this.#add(slot, rows);
    }
    this.#addFresh(rows, rows.length + ((limit - rows.length) >> 1));
    this.#addChanged(rows, limit);
    if (this.#changed.size === 0) {
      this.#fresh = [];
      this.#freshAt = 0;
    }
    const delta = {
      reset: this.#reset,
      rows,
      removed: this.#removed,
      behind: this.#window.length + this.#changed.size,
    };
    this.#removed = [];
    this.#reset = false;
    return delta;
  }

  /** True when it is through, or has found as many as the page holds. */
  #lookThrough(slots: Uint32Array): boolean {
    const isAll = this.#order !== null;
    const isWanted = (): boolean => isAll || this.#window.length < ROW_WINDOW;
    while (this.#scanned < slots.length && this.#looks > 0 && isWanted()) {
      this.#looks -= 1;
      const slot = slots[this.#scanned++] as number;
      const row = this.#table.row(slot);
      if (row === null || !this.#matches(row)) continue;
      if (this.#order === null) this.#window.push(slot);
      else this.#candidates.push({ slot, key: ROW_KEYS[this.#order.column](row) });
    }
    if (this.#scanned < slots.length && isWanted()) return false;
    this.#scan = null;
    if (this.#order !== null) this.#rank(this.#order);
    return true;
  }

  #matches(row: FlowRow): boolean {
    return this.#filter === ALL || matchesFilter(row, this.#filter, this.#nowNs);
  }

  /** Of all that match, those that come first are what the page is to have. */
  #rank({ descending }: RowOrder): void {
    const found = this.#candidates;
    const isFull = found.length > ROW_WINDOW;
    if (isFull) bestFirst(found, ROW_WINDOW, descending);
    this.#bound = isFull ? { key: lastKey(found, ROW_WINDOW, descending) } : null;
    this.#rankedAt = this.#table.now;
    const best = found.slice(0, ROW_WINDOW);
    this.#candidates = [];
    if (!this.#isReordering) {
      this.#window = best.map(({ slot }) => slot);
      return;
    }
    this.#isReordering = false;
    const first = new Set(best.map(({ slot }) => slot));
    for (const slot of this.#table.byRecency()) {
      if (!this.#known.has(slot)) {
        if (first.has(slot)) this.#changed.add(slot);
      } else if (!first.has(slot)) {
        const row = this.#table.row(slot);
        this.#known.delete(slot);
        this.#changed.delete(slot);
        if (row !== null) this.#removed.push(row.id);
      }
    }
  }

  /** Whether a row that the page does not have comes after all that it has. */
  #isPastBound(slot: number): boolean {
    if (this.#bound === null || this.#order === null) return false;
    if (this.#known.size >= ROW_WINDOW + ORDER_SLACK) return true;
    const row = this.#table.row(slot);
    if (row === null) return false;
    const { column, descending } = this.#order;
    return compareKeys(ROW_KEYS[column](row), this.#bound.key, descending) > 0;
  }

  #addFresh(rows: string[], limit: number): void {
    while (rows.length < limit && this.#looks > 0) {
      const slot = this.#fresh[this.#freshAt];
      if (slot === undefined) break;
      this.#freshAt += 1;
      // It may have come in its order meanwhile, or have gone.
      if (this.#changed.delete(slot)) this.#add(slot, rows);
    }
  }

  #addChanged(rows: string[], limit: number): void {
    while (rows.length < limit && this.#looks > 0) {
      const slot = this.#changed.nextFrom(this.#hand);
      if (slot < 0) return;
      this.#hand = slot + 1 === this.#table.limit ? 0 : slot + 1;
      this.#changed.delete(slot);
      this.#add(slot, rows);
    }
  }

  /** Adds the row, or that it does not match any more. */
  #add(slot: number, rows: string[]): void {
    this.#looks -= 1;
    const row = this.#table.row(slot);
    const json = this.#table.json(slot);
    if (row === null || json === null) return;
    if (this.#matches(row)) {
      rows.push(json);
      this.#known.add(slot);
    } else if (this.#known.delete(slot)) {
      this.#removed.push(row.id);
    }
  }
}
