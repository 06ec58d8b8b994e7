import type { Socket } from 'node:net';
import {
  type ErrorMessage,
  type FlowHistoryRecord,
  type FlowMessage,
  type Grouping,
  type GroupMessage,
  type GroupsAnswer,
  type GroupsMessage,
  type HelloMessage,
  type HistoryMessage,
  PATHS_PER_MESSAGE,
  parseClientMessage,
  parseFilter,
  ROWS_PER_MESSAGE,
  type RowOrder,
  SUBSCRIPTION_LIMIT,
} from 'hopscope-protocol';
import type { RawData, WebSocket } from 'ws';
import { ClientRows } from './client-rows.js';
import type { FlowDetails, KnownFlow } from './flow-details.js';
import { withRates } from './flow-row.js';
import type { GroupFeed } from './group-feed.js';
import {
  CLIENT_READ_LIMIT,
  FRAME_RATE_LIMIT,
  MESSAGE_RATE_LIMIT,
  SEND_BUFFER_LIMIT,
  SILENCE_LIMIT_MS,
} from './limits.js';
import { ReadRate } from './read-rate.js';
import type { RowTable } from './row-table.js';
import type { ServeCounters } from './serve-counters.js';

export interface SessionContext {
  readonly table: RowTable;
  readonly details: FlowDetails;
  readonly groups: GroupFeed;
  /** What a flow did until now; rejects with CollectorError. */
  history(id: string): Promise<FlowHistoryRecord | null>;
  readonly counters: ServeCounters;
  readonly hello: HelloMessage;
  /** The feed's time, wall-clock nanoseconds. */
  now(): string;
  /** Monotonic milliseconds. */
  clock(): number;
}

/** One tick, for all clients. */
export interface Tick {
  /** Looks at rows that this client has; see ClientRows. */
  readonly looks: number;
  /** The quality message at a slow tick, else null. */
  readonly quality: string | null;
}

interface GroupFollowing {
  readonly by: Grouping;
  readonly filter: string;
  readonly listener: (answer: GroupsAnswer) => void;
}

interface Following {
  /** Ids of the paths sent last. */
  sent: ReadonlySet<string>;
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
  /** The filter and order it asked for last, until the next tick. */
  #wanted: { readonly text: string; readonly order: RowOrder | null } | null = null;
  #paused = false;
  readonly #followed = new Map<string, Following>();
  #grouped: readonly GroupFollowing[] = [];
  #lastHeard: number;
  #windowStart = 0;
  #windowMessages = 0;
  #windowFrames = 0;
  readonly #readRate = new ReadRate(CLIENT_READ_LIMIT);
  /** While nothing is read of it. */
  #reading: NodeJS.Timeout | null = null;

  /** @param connection what the WebSocket is on */
  constructor(socket: WebSocket, connection: Socket, context: SessionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#rows = new ClientRows(context.table, () => context.now());
    this.#lastHeard = context.clock();
    socket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    socket.on('pong', () => {
      this.#lastHeard = context.clock();
    });
    socket.on('ping', (data: Buffer) => this.#answerPing(data));
    socket.on('close', () => this.#forget());
    connection.on('data', (chunk: Buffer) => this.#read(chunk.length));
    // ws closes the connection itself on a broken frame; without a listener it would throw.
    socket.on('error', (error) => {
      context.counters.badMessage('code' in error ? String(error.code) : 'socket');
    });
    this.#send(JSON.stringify(context.hello));
  }

  /** Sends what is new, unless the client has not read what it got before. */
  tick(tick: Tick): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.#socket.bufferedAmount > SEND_BUFFER_LIMIT) {
      this.#context.counters.skipped += 1;
      return;
    }
    if (tick.quality !== null) this.#send(tick.quality);
    if (this.#wanted !== null) {
      const { text, order } = this.#wanted;
      this.#wanted = null;
      this.#filter(text, order);
    }
    if (tick.quality !== null) this.#rows.reorder();
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

  /** Stops reading it for a while where it sends more than a dashboard has reason to. */
  #read(bytes: number): void {
    const wait = this.#readRate.add(bytes, this.#context.clock());
    if (wait === 0 || this.#reading !== null) return;
    this.#context.counters.clientsHeldBack += 1;
    this.#socket.pause();
    this.#reading = setTimeout(() => {
      this.#reading = null;
      this.#socket.resume();
    }, wait);
  }

  #answerPing(data: Buffer): void {
    if (this.#isFlood()) return;
    if (this.#socket.bufferedAmount <= SEND_BUFFER_LIMIT) this.#socket.pong(data);
    else this.#context.counters.skipped += 1;
  }

  /** Counts a message or a ping; cuts off who sends so many that reading them is the harm. */
  #isFlood(): boolean {
    const now = this.#context.clock();
    this.#lastHeard = now;
    if (now - this.#windowStart >= 1000) {
      this.#windowStart = now;
      this.#windowMessages = 0;
      this.#windowFrames = 0;
    }
    this.#windowFrames += 1;
    if (this.#windowFrames <= FRAME_RATE_LIMIT) return false;
    if (this.#windowFrames === FRAME_RATE_LIMIT + 1) {
      this.#context.counters.badMessage('flood');
      this.#socket.terminate();
    }
    return true;
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#isFlood()) return;
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
        this.#wanted = { text: message.text, order: message.order ?? null };
        break;
      case 'group':
        this.#group(message.groupings);
        break;
      case 'pause':
        this.#paused = message.paused;
        break;
    }
  }

  /** What cannot be read of it is left out, and said. */
  #filter(text: string, order: RowOrder | null): void {
    const filter = parseFilter(text);
    this.#rows.restart(filter, order);
    const [problem] = filter.problems;
    if (problem !== undefined) {
      this.#refuse(problem.code, `the filter, at ${problem.at}: ${problem.message}`);
    }
  }

  #subscribe(id: string): void {
    const before = this.#followed.get(id);
    if (before === undefined && this.#followed.size >= SUBSCRIPTION_LIMIT) {
      this.#refuse('too-many-subscriptions', `at most ${SUBSCRIPTION_LIMIT} flows at a time`);
      return;
    }
    // Asked for anew, it is sent anew.
    if (before !== undefined) this.#unfollow(id);
    const following: Following = {
      sent: new Set(),
      listener: (flow) => this.#sendFlow(id, following, flow),
    };
    this.#followed.set(id, following);
    this.#context.details.follow(id, following.listener);
    void this.#sendHistory(id, following);
  }

  /** Once with each subscription: after that the page has what comes. */
  async #sendHistory(id: string, following: Following): Promise<void> {
    // A collector that is busy leaves the page without what was before.
    const history = await this.#context.history(id).catch(() => null);
    if (this.#followed.get(id) === following) {
      this.#send(JSON.stringify({ type: 'history', id, history } satisfies HistoryMessage));
    }
  }

  #group(wanted: GroupMessage['groupings']): void {
    const { groups } = this.#context;
    for (const { by, filter, listener } of this.#grouped) groups.unfollow(by, filter, listener);
    this.#grouped = wanted.map(({ by, filter }) => ({
      by,
      filter,
      listener: (answer) => this.#sendGroups(by, filter, answer),
    }));
    for (const { by, filter, listener } of this.#grouped) groups.follow(by, filter, listener);
  }

  #sendGroups(by: Grouping, filter: string, answer: GroupsAnswer): void {
    const now = this.#context.now();
    const message: GroupsMessage = { type: 'groups', by, filter, now, ...answer };
    if (!this.#paused) this.#send(JSON.stringify(message));
  }

  #unfollow(id: string): void {
    const following = this.#followed.get(id);
    if (following === undefined) return;
    this.#followed.delete(id);
    this.#context.details.unfollow(id, following.listener);
  }

  #forget(): void {
    if (this.#reading !== null) clearTimeout(this.#reading);
    this.#rows.close();
    this.#group([]);
    for (const id of [...this.#followed.keys()]) this.#unfollow(id);
  }

  #sendFlow(id: string, following: Following, { detail, paths }: KnownFlow): void {
    const { table } = this.#context;
    const { sent } = following;
    const added = [...paths.values()]
      .filter((path) => !sent.has(path.id))
      .slice(0, PATHS_PER_MESSAGE);
    const message: FlowMessage = {
      type: 'flow',
      id,
      flow: detail.flow,
      rates: table.rates(id),
      chain: detail.chain.map((row) => withRates(row, table.rates(row.id))),
      pathIds: [...paths.keys()].filter(
        (path) => sent.has(path) || added.some((one) => one.id === path),
      ),
      paths: added,
      now: this.#context.now(),
    };
    if (this.#send(JSON.stringify(message))) following.sent = new Set(message.pathIds);
  }

  #sendFlows(tick: Tick): void {
    const { table, counters } = this.#context;
    const delta = this.#rows.next(ROWS_PER_MESSAGE, tick.looks);
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
      ended: table.ended,
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
      this.#context.counters.skipped += 1;
      return false;
    }
    socket.send(text);
    return true;
  }
}
