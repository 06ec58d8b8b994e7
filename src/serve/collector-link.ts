import type { Duplex } from 'node:stream';
import {
  ChannelError,
  FRAME_JSON,
  FRAME_ROWS,
  FrameReader,
  frameHead,
  jsonFrame,
} from '../channel/frame.js';
import { log } from '../logger.js';
import type { Catalog } from '../name/catalog.js';
import type { NameFollower } from '../name/cluster-names.js';
import { Answers } from './answers.js';
import type { ChannelCounters } from './channel-counters.js';
import {
  type FailedMessage,
  type ListeningMessage,
  parseToCollector,
  type ToServer,
} from './channel-messages.js';
import type { Collected } from './collected.js';
import {
  CHANNEL_BACKLOG_LIMIT,
  CHANNEL_MESSAGE_LIMIT,
  CLUSTER_NAMES_PER_TICK,
  COLLECTOR_FRAME_LIMIT,
  QUESTION_LIMIT,
  SERVER_FRAME_LIMIT,
} from './limits.js';
import type { Load } from './load-meter.js';
import type { RowFeed } from './row-feed.js';

export interface LinkEvents {
  onListening(message: ListeningMessage): void;
  onFailed(message: FailedMessage): void;
  /** What comes is not what it should be: the process is to be stopped. */
  onBroken(why: string): void;
}

/** The collector's end of the channel to one server process. It never waits for the other. */
export class CollectorLink {
  readonly #socket: Duplex;
  readonly #collected: Collected;
  readonly #feed: RowFeed;
  readonly #counters: ChannelCounters;
  readonly #events: LinkEvents;
  readonly #answers: Answers;
  #watching = false;
  /** The feed's buffer is the socket's until it was written. */
  #batchOut = false;
  #catalog: Catalog | null = null;
  readonly #cluster: NameFollower;
  #messages = 0;
  #closed = false;

  constructor(
    socket: Duplex,
    collected: Collected,
    feed: RowFeed,
    counters: ChannelCounters,
    events: LinkEvents,
  ) {
    this.#counters = counters;
    this.#socket = socket;
    this.#collected = collected;
    this.#cluster = collected.cluster.follow();
    this.#feed = feed;
    this.#events = events;
    this.#answers = new Answers(
      collected,
      counters,
      (answer) => this.send(answer),
      () => this.#hasRoom(),
    );
    const reader = new FrameReader(COLLECTOR_FRAME_LIMIT, (type, payload) =>
      this.#receive(type, payload),
    );
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.add(chunk);
      } catch (error) {
        if (!(error instanceof ChannelError)) throw error;
        this.#break(`${error.message} [${error.code}]`);
      }
    });
    // The process has ended, which is noticed elsewhere.
    socket.on('error', () => undefined);
  }

  /** Sends what changed, when somebody watches and the other end has taken what was sent. */
  tick(): void {
    this.#messages = 0;
    if (this.#socket.isPaused() && this.#answers.waiting < QUESTION_LIMIT) this.#socket.resume();
    if (!this.#hasRoom()) {
      this.#counters.ticksSkipped += 1;
      return;
    }
    this.#sendNames();
    // A row is named once: those of a server that has just begun wait for the names of a cluster.
    if (this.#watching && this.#cluster.hadAll) this.#sendRows();
  }

  sendStatus(load: Load): void {
    if (!this.#hasRoom()) return;
    const channel = {
      ...this.#counters,
      rowsSkipped: this.#feed.skipped,
      rowsRestarted: this.#feed.restarted,
      logLinesLost: log.lost,
    };
    this.send({ type: 'status', quality: this.#collected.feed.quality(), load, channel });
  }

  send(message: ToServer): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(jsonFrame(message));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#answers.clear();
    this.#cluster.close();
    this.#socket.destroy();
  }

  #hasRoom(): boolean {
    return this.#socket.writableLength <= CHANNEL_BACKLOG_LIMIT;
  }

  #sendRows(): void {
    if (this.#batchOut) {
      this.#counters.ticksSkipped += 1;
      return;
    }
    const batch = this.#feed.batch(performance.now());
    this.#batchOut = true;
    this.#socket.cork();
    this.#socket.write(frameHead(batch.length, FRAME_ROWS));
    this.#socket.write(batch, () => {
      this.#batchOut = false;
    });
    this.#socket.uncork();
  }

  #sendNames(): void {
    this.#sendCatalog();
    const change = this.#cluster.take(CLUSTER_NAMES_PER_TICK);
    if (change !== null) this.send({ type: 'cluster-names', change });
  }

  #sendCatalog(): void {
    const catalog = this.#collected.catalog();
    if (catalog === this.#catalog) return;
    this.#catalog = catalog;
    // Rules stay here: rows name none.
    const frame = jsonFrame({ type: 'catalog', catalog: { ...catalog, chains: [] } });
    if (frame.length > SERVER_FRAME_LIMIT) this.#counters.catalogsRefused += 1;
    else this.#socket.write(frame);
  }

  #receive(type: number, payload: Uint8Array): void {
    if (this.#closed) return;
    this.#messages += 1;
    if (this.#messages > CHANNEL_MESSAGE_LIMIT) {
      throw new ChannelError('too-many-messages', 'it sends more messages than it has reason to');
    }
    if (type !== FRAME_JSON) throw new ChannelError('bad-message', 'it sends something unknown');
    const message = parseToCollector(payload);
    switch (message.type) {
      case 'listening':
        this.#events.onListening(message);
        break;
      case 'failed':
        this.#events.onFailed(message);
        break;
      case 'watch':
        this.#watch(message.watching);
        break;
      case 'ask':
        this.#answers.ask(message);
        if (this.#answers.waiting >= QUESTION_LIMIT) this.#socket.pause();
        break;
    }
  }

  #watch(watching: boolean): void {
    if (watching) this.#feed.restart();
    else this.#feed.clear();
    this.#watching = watching;
    // Whoever has come need not wait for the next tick.
    if (watching && this.#hasRoom()) {
      this.#sendNames();
      if (this.#cluster.hadAll) this.#sendRows();
    }
  }

  #break(why: string): void {
    this.close();
    this.#events.onBroken(why);
  }
}
