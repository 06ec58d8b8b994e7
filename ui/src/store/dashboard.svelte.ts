import { ROW_WINDOW, type RowOrder, type ServerMessage } from 'hopscope-protocol';
import { createContext } from 'svelte';
import { Connection, type ConnectionState } from '../stream/connection.js';
import { FlowDetailStore } from './flow-detail.svelte.js';
import { FlowTableStore } from './flow-table.svelte.js';
import { GroupStore, type WantedGrouping } from './groups.svelte.js';
import { QualityStore } from './quality.svelte.js';
import { SessionStore } from './session.svelte.js';

/**
 * Everything the page knows, and the only place that talks to the daemon. Views
 * read the stores; none of them touches the stream.
 */
export class Dashboard {
  readonly session = new SessionStore();
  readonly table = new FlowTableStore();
  readonly groups = new GroupStore();
  readonly quality = new QualityStore();
  detail = $state.raw<FlowDetailStore | null>(null);
  paused = $state(false);
  readonly #connection: Connection;
  /** The filter's text; empty for all. */
  #filter = '';
  #order: RowOrder = { column: 'start', descending: true };
  /** Whether the daemon was asked to choose the rows. */
  #narrowed = false;
  /** The filter and order that the daemon was last sent. */
  #sent = '';
  /** Whether rows came while paused and were dropped. */
  #missed = false;

  constructor(url: string) {
    this.#connection = new Connection(url, {
      onState: (state) => this.#onState(state),
      onMessage: (message) => this.#onMessage(message),
      onProblem: (code, message) => this.session.report(code, message),
    });
  }

  open(): void {
    this.#connection.open();
  }

  close(): void {
    this.#connection.close();
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  setPaused(paused: boolean): void {
    if (this.paused === paused) return;
    this.paused = paused;
    this.#connection.send({ type: 'pause', paused });
    const id = this.detail?.id;
    if (id !== undefined) this.#connection.send({ type: paused ? 'unsubscribe' : 'subscribe', id });
    // What came after the pause was dropped: only a new start has it all again.
    if (!paused && this.#missed) this.#sendFilter();
    this.#missed = false;
  }

  /** Follows one flow, or none. */
  follow(id: string | null): void {
    const before = this.detail?.id ?? null;
    if (before === id) return;
    if (before !== null) this.#connection.send({ type: 'unsubscribe', id: before });
    this.detail = id === null ? null : new FlowDetailStore(id);
    if (id !== null) this.#connection.send({ type: 'subscribe', id });
  }

  /** Which groupings to send, in place of those before. */
  group(groupings: readonly WantedGrouping[]): void {
    this.groups.want(groupings);
    this.#connection.send({ type: 'group', groupings: this.groups.wanted });
  }

  /**
   * Reports which rows are wanted. The page filters by itself; only when the daemon
   * has more flows than the page holds is the daemon asked to choose and to order.
   */
  want(filter: string, order: RowOrder): void {
    this.#filter = filter;
    this.#order = order;
    this.#narrow();
  }

  #narrow(force = false): void {
    const isMore = this.table.total > ROW_WINDOW;
    const wanted = isMore || (this.#narrowed && this.#filter !== '');
    if (!wanted && !this.#narrowed) return;
    const { column, descending } = this.#order;
    const asked = `${descending} ${column} ${this.#filter}`;
    if (!force && wanted === this.#narrowed && this.#sent === asked) return;
    this.#narrowed = wanted;
    this.#sent = asked;
    this.#sendFilter();
  }

  /** The daemon answers with all rows that match. */
  #sendFilter(): void {
    this.#connection.send(
      this.#narrowed
        ? { type: 'filter', text: this.#filter, order: this.#order }
        : { type: 'filter', text: '' },
    );
  }

  #onState(state: ConnectionState): void {
    this.session.connection = state;
  }

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case 'hello':
        this.session.hello = message;
        // The daemon knows nothing of what an earlier connection asked for.
        if (this.paused) this.#connection.send({ type: 'pause', paused: true });
        if (this.detail !== null && !(this.paused && this.detail.received)) {
          this.#connection.send({ type: 'subscribe', id: this.detail.id });
        }
        if (this.groups.wanted.length > 0) this.group(this.groups.wanted);
        if (this.#narrowed) this.#narrow(true);
        break;
      case 'flows':
        // One that was on its way when the pause began.
        if (this.paused && this.table.received) {
          this.#missed = true;
          break;
        }
        this.table.apply(message);
        if (this.table.total > ROW_WINDOW) this.#narrow();
        break;
      case 'flow':
        if (message.id !== this.detail?.id) break;
        if (!this.paused) this.detail.apply(message);
        else if (!this.detail.received) {
          // Opened while paused: shown as it is now, and no further.
          this.detail.apply(message);
          this.#connection.send({ type: 'unsubscribe', id: message.id });
        }
        break;
      case 'history':
        if (message.id === this.detail?.id) this.detail.fill(message.history);
        break;
      case 'groups':
        if (!this.paused) this.groups.apply(message);
        break;
      case 'quality':
        this.quality.apply(message);
        break;
      case 'error':
        this.session.report(message.code, message.message);
        break;
    }
  }
}

export const [getDashboard, setDashboard] = createContext<Dashboard>();
