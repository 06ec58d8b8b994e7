import { type FilterTerm, matchesFilter, type ParsedFilter } from 'hopscope-protocol';
import { createContext } from 'svelte';
import { parseFilter, toggleTerm } from '../filter/grammar.js';
import type { Router } from '../route/route.svelte.js';
import type { FlowTableStore, RowCell } from '../store/flow-table.svelte.js';
import { compareRows, DEFAULT_ORDER, formatOrder, parseOrder } from './row-order.js';

/**
 * What of the table is seen, in what order, and which row is marked. Filter and
 * order live in the address, so that a link shows the same.
 */
export class TableView {
  readonly #store: FlowTableStore;
  readonly #router: Router;
  /** The row the keyboard is on. */
  selected = $state<string | null>(null);
  /** Ids in the order they had when a flow was opened; `null` when not held. */
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

  /** Rows that match, in order. */
  rows: readonly RowCell[] = $derived.by(() => {
    // Rows change in place: the version stands for all of them.
    void this.#store.version;
    const now = Number(this.#store.now);
    const matching: RowCell[] = [];
    for (const cell of this.#store.cells()) {
      if (matchesFilter(cell.row, this.filter, now)) matching.push(cell);
    }
    const compare = compareRows(this.order);
    matching.sort((a, b) => compare(a.row, b.row));
    if (this.#held === null) return matching;
    const position = new Map(this.#held.map((id, index) => [id, index]));
    const at = (cell: RowCell): number => position.get(cell.row.id) ?? position.size;
    return matching.sort((a, b) => at(a) - at(b));
  });

  get held(): boolean {
    return this.#held !== null;
  }

  /** Keeps the rows where they are: what appears goes to the end. */
  hold(): void {
    this.#held ??= this.rows.map((cell) => cell.row.id);
  }

  release(): void {
    this.#held = null;
  }

  setText(text: string): void {
    this.#router.setParams({ q: text });
  }

  toggle(term: FilterTerm): void {
    this.setText(toggleTerm(this.text, term));
  }

  sortBy(column: string, descendingFirst: boolean): void {
    const descending = this.order.column === column ? !this.order.descending : descendingFirst;
    const order = { column, descending };
    const isDefault = formatOrder(order) === formatOrder(DEFAULT_ORDER);
    this.#router.setParams({ sort: isDefault ? '' : formatOrder(order) });
    if (this.#held !== null) {
      this.#held = null;
      this.hold();
    }
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
