import type { RawData, WebSocket } from 'ws';
import { flowChain } from '../export/flow-chain.js';
import type { FlowFeed } from '../model/feed.js';
import type { FlowRecord } from '../model/records.js';
import { flowRow } from './flow-row.js';
import type { FlowView } from './flow-view.js';
import { MESSAGE_RATE_LIMIT, SEND_BUFFER_LIMIT, SILENCE_LIMIT_MS } from './limits.js';
import {
  type ErrorMessage,
  type FilterTerm,
  type FlowMessage,
  type FlowRow,
  type HelloMessage,
  PATHS_PER_FLOW,
  PATHS_PER_MESSAGE,
  parseClientMessage,
  ROWS_PER_MESSAGE,
  SUBSCRIPTION_LIMIT,
} from './protocol.js';
import type { ServeCounters } from './serve-counters.js';

export interface SessionContext {
  readonly feed: FlowFeed;
  readonly view: FlowView;
  readonly counters: ServeCounters;
  readonly hello: HelloMessage;
  /** The feed's time, wall-clock nanoseconds. */
  now(): string;
  /** Monotonic milliseconds. */
  clock(): number;
}

/**
 * One dashboard. It holds a cursor and the ids of its subscriptions, nothing that
 * grows: while the other side does not read, nothing is queued for it, and the
 * next message it gets has the newest state.
 */
export class ClientSession {
  readonly #socket: WebSocket;
  readonly #context: SessionContext;
  #cursor = 0;
  #terms: readonly FilterTerm[] = [];
  #paused = false;
  /** Ids of the paths last told of, for each flow followed. */
  readonly #followed = new Map<string, ReadonlySet<string>>();
  #lastHeard: number;
  #windowStart = 0;
  #windowMessages = 0;

  constructor(socket: WebSocket, context: SessionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#lastHeard = context.clock();
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('pong', () => {
      this.#lastHeard = context.clock();
    });
    // ws closes the connection itself on a broken frame; without a listener it would throw.
    socket.on('error', (error) => {
      context.counters.badMessage('code' in error ? String(error.code) : 'socket');
    });
    this.#send(JSON.stringify(context.hello));
    this.#sendFlows();
  }

  /** Sends what is new, unless the client has not read what it got before. */
  tick(quality: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > SEND_BUFFER_LIMIT) {
      this.#context.counters.shed += 1;
      return;
    }
    this.#send(quality);
    for (const id of this.#followed.keys()) this.#sendFlow(id);
    if (!this.#paused) this.#sendFlows();
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
        this.#followed.delete(message.id);
        break;
      case 'filter':
        this.#terms = message.terms;
        this.#cursor = 0;
        if (!this.#paused) this.#sendFlows();
        break;
      case 'pause':
        this.#paused = message.paused;
        if (!message.paused) this.#sendFlows();
        break;
    }
  }

  #subscribe(id: string): void {
    if (!this.#followed.has(id) && this.#followed.size >= SUBSCRIPTION_LIMIT) {
      this.#refuse('too-many-subscriptions', `at most ${SUBSCRIPTION_LIMIT} flows at a time`);
      return;
    }
    this.#followed.set(id, new Set());
    this.#sendFlow(id);
  }

  #sendFlow(id: string): void {
    const { feed, view } = this.#context;
    const known = this.#followed.get(id) ?? new Set<string>();
    const flow = feed.flow(id);
    const recent = flow === null ? [] : feed.recentPaths(id, PATHS_PER_FLOW);
    const added = recent.filter((path) => !known.has(path.id)).slice(0, PATHS_PER_MESSAGE);
    const message: FlowMessage = {
      type: 'flow',
      id,
      flow,
      rates: view.rates(id),
      chain: flow === null ? [] : this.#chain(flow),
      pathIds: recent
        .filter((path) => known.has(path.id) || added.includes(path))
        .map((path) => path.id),
      paths: added,
      now: this.#context.now(),
    };
    if (this.#send(JSON.stringify(message))) this.#followed.set(id, new Set(message.pathIds));
  }

  #chain(flow: FlowRecord): readonly FlowRow[] {
    const { feed, view } = this.#context;
    const chain = flowChain(flow, (id) => feed.flow(id));
    return chain.length < 2 ? [] : chain.map((one) => flowRow(one, view.rates(one.id)));
  }

  #sendFlows(): void {
    const { view, counters } = this.#context;
    const delta = view.since(this.#cursor, this.#terms, ROWS_PER_MESSAGE);
    // The rows are JSON already.
    const head = `{"type":"flows","reset":${delta.reset},"rows":[${delta.rows.join(',')}]`;
    const tail = JSON.stringify({
      removed: delta.removed,
      total: view.total,
      behind: delta.behind,
      now: this.#context.now(),
    }).slice(1);
    if (this.#send(`${head},${tail}`)) {
      this.#cursor = delta.cursor;
      counters.rowsDelayed += delta.behind;
    }
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
