import {
  type FilterTerm,
  matchesFilter,
  ORDER_COLUMNS,
  type ParsedFilter,
} from 'hopscope-protocol';
import { createContext, untrack } from 'svelte';
import { parseFilter, toggleTerm } from '../filter/grammar.js';
import type { Router } from '../route/route.svelte.js';
import type { FlowTableStore, RowCell } from '../store/flow-table.svelte.js';
import { DEFAULT_ORDER, formatOrder, parseOrder, sortedCells } from './row-order.js';

/** Why rows stay where they are: somebody is about to read, choose or open one. */
export type HoldReason = 'pointer' | 'focus' | 'scroll' | 'flow';

/**
 * What of the table is seen, in what order, and which row is marked. Filter and
 * order live in the address, so that a link shows the same.
 */
export class TableView {
  readonly #store: FlowTableStore;
  readonly #router: Router;
  /** The row the keyboard is on. */
  selected = $state<string | null>(null);
  readonly #reasons = new Set<HoldReason>();
  /** The order and filter that the rows were last put in order for. */
  #asked = '';
  /** Ids in the order they had when it was first held; `null` when it is not. */
  #held = $state.raw<readonly string[] | null>(null);

  constructor(store: FlowTableStore, router: Router) {
    this.#store = store;
    this.#router = router;
  }

  text = $derived.by(() => this.#router.param('q'));
  filter: ParsedFilter = $derived.by(() => parseFilter(this.text));
  /** What the daemon is asked for: nothing while all that is written cannot be read. */
  applied = $derived.by(() => (this.filter.node === null ? '' : this.text));
  order = $derived.by(() => parseOrder(this.#router.param('sort')));

  readonly #matching = $derived.by((): readonly RowCell[] => {
    // Rows change in place: the version stands for all of them.
    void this.#store.version;
    const now = Number(this.#store.now);
    const matching: RowCell[] = [];
    for (const cell of this.#store.cells()) {
      if (matchesFilter(cell.row, this.filter, now)) matching.push(cell);
    }
    return matching;
  });

  /**
   * Rows in order: those that match, or while the order is held those that it was held with,
   * whatever becomes of them.
   */
  readonly rows: readonly RowCell[] = $derived.by(() => {
    void this.#store.version;
    const held = this.#held?.flatMap((id) => this.#store.cell(id) ?? []) ?? [];
    // Of another filter, or another run of the daemon, none may be left.
    return held.length === 0 ? sortedCells(this.#matching, this.order) : held;
  });

  /** Rows that match and are not among those held. */
  readonly waiting = $derived.by(() => {
    if (this.#held === null) return 0;
    const held = new Set(this.#held);
    return this.#matching.reduce((count, { row }) => count + (held.has(row.id) ? 0 : 1), 0);
  });

  get held(): boolean {
    return this.#held !== null;
  }

  /** Keeps the rows where they are, for as long as any reason to is left. */
  hold(reason: HoldReason): void {
    this.#reasons.add(reason);
    this.#held ??= untrack(() => this.rows.map((cell) => cell.row.id));
  }

  release(reason: HoldReason): void {
    this.#reasons.delete(reason);
    if (this.#reasons.size === 0) this.#held = null;
  }

  /** Puts the rows in order once, with all that wait; then they are held again. */
  settle(): void {
    this.#held = null;
    if (this.#reasons.size === 0) return;
    this.#held = untrack(() => this.rows.map((cell) => cell.row.id));
  }

  /** Puts the rows in order where another filter or order has come by the address. */
  keepUp(): void {
    const asked = `${this.#router.param('sort')} ${this.text}`;
    if (asked === this.#asked) return;
    this.#asked = asked;
    untrack(() => this.settle());
  }

  setText(text: string): void {
    this.#router.setParams({ q: text });
    this.settle();
  }

  toggle(term: FilterTerm): void {
    this.setText(toggleTerm(this.text, term));
  }

  sortBy(id: string, descendingFirst: boolean): void {
    const column = ORDER_COLUMNS.find((one) => one === id);
    if (column === undefined) return;
    const descending = this.order.column === column ? !this.order.descending : descendingFirst;
    const order = { column, descending };
    const isDefault = formatOrder(order) === formatOrder(DEFAULT_ORDER);
    this.#router.setParams({ sort: isDefault ? '' : formatOrder(order) });
    this.settle();
  }

  /** Moves the mark by `step` rows and returns the id it is then on. */
  move(step: number): string | null {
    const { rows } = this;
    if (rows.length === 0) return null;
    const at = rows.findIndex((cell) => cell.row.id === this.selected);
    // Without a mark, one step down is the first row and one up the last.
    const next = (at === -1 && step < 0 ? rows.length : at) + step;
    const cell = rows[Math.min(rows.length - 1, Math.max(0, next))];
    this.selected = cell?.row.id ?? null;
    return this.selected;
  }
}

export const [getTableView, setTableView] = createContext<TableView>();
