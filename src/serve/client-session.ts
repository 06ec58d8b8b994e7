import type { RawData, WebSocket } from 'ws';
import { parseClientMessage } from './client-message.js';
import { ClientRows } from './client-rows.js';
import type { FlowDetails, KnownFlow } from './flow-details.js';
import { withRates } from './flow-row.js';
import { MESSAGE_RATE_LIMIT, SEND_BUFFER_LIMIT, SILENCE_LIMIT_MS } from './limits.js';
import {
  type ErrorMessage,
  type FilterTerm,
  type FlowMessage,
  type HelloMessage,
  PATHS_PER_MESSAGE,
  ROWS_PER_MESSAGE,
  SUBSCRIPTION_LIMIT,
} from './protocol.js';
import type { RowTable } from './row-table.js';
import type { ServeCounters } from './serve-counters.js';

export interface SessionContext {
  readonly table: RowTable;
  readonly details: FlowDetails;
  readonly counters: ServeCounters;
  readonly hello: HelloMessage;
  /** The feed's time, wall-clock nanoseconds. */
  now(): string;
  /** Monotonic milliseconds. */
  clock(): number;
}

/** One tick, for all clients. */
export interface Tick {
  /** Rows this client may look at to begin anew. */
  readonly scan: number;
  /** The quality message at a slow tick, else null. */
  readonly quality: string | null;
}

interface Following {
  /** Ids of the paths last told of. */
  told: ReadonlySet<string>;
  readonly listener: (flow: KnownFlow) => void;
}

/**
 * One dashboard. It holds two bits for each row and the ids of its subscriptions, nothing
 * that grows: while the other side does not read, nothing is queued for it, and the next
 * message it gets has the newest state. What it asks for, however often, is done once a
 * tick.
 */
export class ClientSession {
  readonly #socket: WebSocket;
  readonly #context: SessionContext;
  readonly #rows: ClientRows;
  /** The filter it asked for last, until the next tick. */
  #wanted: readonly FilterTerm[] | null = null;
  #paused = false;
  readonly #followed = new Map<string, Following>();
  #lastHeard: number;
  #windowStart = 0;
  #windowMessages = 0;

  constructor(socket: WebSocket, context: SessionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#rows = new ClientRows(context.table);
    this.#lastHeard = context.clock();
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('pong', () => {
      this.#lastHeard = context.clock();
    });
    socket.on('close', () => this.#forget());
    // ws closes the connection itself on a broken frame; without a listener it would throw.
    socket.on('error', (error) => {
      context.counters.badMessage('code' in error ? String(error.code) : 'socket');
    });
    this.#send(JSON.stringify(context.hello));
  }

  /** Whether it has to look through the table for rows to begin with. */
  get beginning(): boolean {
    return this.#wanted !== null || this.#rows.beginning;
  }

  /** Sends what is new, unless the client has not read what it got before. */
  tick(tick: Tick): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > SEND_BUFFER_LIMIT) {
      this.#context.counters.shed += 1;
      return;
    }
    if (tick.quality !== null) this.#send(tick.quality);
    if (this.#wanted !== null) {
      this.#rows.restart(this.#wanted);
      this.#wanted = null;
    }
    if (!this.#paused) this.#sendFlows(tick);
  }

  /** Asks for a sign of life, or cuts a client off that has given none. */
  checkAlive(): void {
    if (this.#context.clock() - this.#lastHeard > SILENCE_LIMIT_MS) {
      this.#context.counters.clientsSilent += 1;
      this.#socket.terminate();
    } else if (this.#socket.readyState === this.#socket.OPEN) {
      this.#socket.ping();
    }
  }

  close(): void {
    this.#socket.close(1001, 'the daemon is stopping');
    // The other side may never answer the close.
    setTimeout(() => this.#socket.terminate(), 200).unref();
  }

  #receive(data: RawData, isBinary: boolean): void {
    const now = this.#context.clock();
    this.#lastHeard = now;
    if (now - this.#windowStart >= 1000) {
      this.#windowStart = now;
      this.#windowMessages = 0;
    }
    this.#windowMessages += 1;
    if (this.#windowMessages > MESSAGE_RATE_LIMIT) {
      // Only the first one is answered, or the answers would be a flood of their own.
      this.#refuse(
        'too-many-messages',
        `more than ${MESSAGE_RATE_LIMIT} messages in a second; they are ignored`,
        this.#windowMessages === MESSAGE_RATE_LIMIT + 1,
      );
      return;
    }
    if (isBinary) {
      this.#refuse('binary', 'messages are JSON text, not binary');
      return;
    }
    const parsed = parseClientMessage(data.toString());
    if (!parsed.ok) {
      this.#refuse(parsed.code, parsed.message);
      return;
    }
    const message = parsed.value;
    switch (message.type) {
      case 'subscribe':
        this.#subscribe(message.id);
        break;
      case 'unsubscribe':
        this.#unfollow(message.id);
        break;
      case 'filter':
        this.#wanted = message.terms;
        break;
      case 'pause':
        this.#paused = message.paused;
        break;
    }
  }

  #subscribe(id: string): void {
    const before = this.#followed.get(id);
    if (before === undefined && this.#followed.size >= SUBSCRIPTION_LIMIT) {
      this.#refuse('too-many-subscriptions', `at most ${SUBSCRIPTION_LIMIT} flows at a time`);
      return;
    }
    // Asked for anew, it is told anew.
    if (before !== undefined) this.#unfollow(id);
    const following: Following = {
      told: new Set(),
      listener: (flow) => this.#sendFlow(id, following, flow),
    };
    this.#followed.set(id, following);
    this.#context.details.follow(id, following.listener);
  }

  #unfollow(id: string): void {
    const following = this.#followed.get(id);
    if (following === undefined) return;
    this.#followed.delete(id);
    this.#context.details.unfollow(id, following.listener);
  }

  #forget(): void {
    this.#rows.close();
    for (const id of [...this.#followed.keys()]) this.#unfollow(id);
  }

  #sendFlow(id: string, following: Following, { detail, paths }: KnownFlow): void {
    const { table } = this.#context;
    const { told } = following;
    const added = [...paths.values()]
      .filter((path) => !told.has(path.id))
      .slice(0, PATHS_PER_MESSAGE);
    const message: FlowMessage = {
      type: 'flow',
      id,
      flow: detail.flow,
      rates: table.rates(id),
      chain: detail.chain.map((row) => withRates(row, table.rates(row.id))),
      pathIds: [...paths.keys()].filter(
        (path) => told.has(path) || added.some((one) => one.id === path),
      ),
      paths: added,
      now: this.#context.now(),
    };
    if (this.#send(JSON.stringify(message))) following.told = new Set(message.pathIds);
  }

  #sendFlows(tick: Tick): void {
    const { table, counters } = this.#context;
    const delta = this.#rows.next(ROWS_PER_MESSAGE, tick.scan);
    // Its begin is still looked for.
    if (delta === null) return;
    const news = delta.reset || delta.rows.length > 0 || delta.removed.length > 0;
    // Time goes on even where nothing changes.
    if (!news && tick.quality === null) return;
    // The rows are JSON already.
    const head = `{"type":"flows","reset":${delta.reset},"rows":[${delta.rows.join(',')}]`;
    const tail = JSON.stringify({
      removed: delta.removed,
      total: table.total,
      behind: delta.behind + table.behind,
      now: this.#context.now(),
    }).slice(1);
    // There is room, or it would not have come so far.
    this.#socket.send(`${head},${tail}`);
    counters.rowsDelayed += delta.behind;
  }

  #refuse(code: string, text: string, answer = true): void {
    this.#context.counters.badMessage(code);
    const message: ErrorMessage = { type: 'error', code, message: text };
    if (answer) this.#send(JSON.stringify(message));
  }

  /** Whether it was sent: not to a socket that is closing or has too much unsent. */
  #send(text: string): boolean {
    const socket = this.#socket;
    if (socket.readyState !== socket.OPEN) return false;
    if (socket.bufferedAmount > SEND_BUFFER_LIMIT) {
      this.#context.counters.shed += 1;
      return false;
    }
    socket.send(text);
    return true;
  }
}
