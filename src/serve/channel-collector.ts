import type { Duplex } from 'node:stream';
import type {
  FlowHistoryRecord,
  FlowRecord,
  Grouping,
  MtuReport,
  RowOrder,
} from 'hopscope-protocol';
import {
  ChannelError,
  FRAME_JSON,
  FRAME_ROWS,
  FrameReader,
  jsonFrame,
  jsonOf,
} from '../channel/frame.js';
import type { NamespaceRecord } from '../model/feed.js';
import { EMPTY_CATALOG } from '../name/catalog.js';
import { Names } from '../name/names.js';
import type {
  AnswerMessage,
  FirstFlows,
  FlowDetail,
  FlowsPart,
  GroupsPart,
  PagePosition,
  Question,
  StartMessage,
  StatusMessage,
  ToCollector,
  ToServer,
} from './channel-messages.js';
import { type Collector, CollectorError } from './collector.js';
import {
  ANSWER_DEADLINE_MS,
  QUESTION_LIMIT,
  RENAME_MS,
  RENAME_STEP_MS,
  RENAMED_SLOTS,
  SERVER_FRAME_LIMIT,
} from './limits.js';
import { ChangedNames } from './row-names.js';
import { readBatch } from './row-reader.js';
import { RowTable } from './row-table.js';

interface Asked {
  resolve(value: AnswerMessage['value']): void;
  readonly timer: NodeJS.Timeout;
}

export interface ChannelEvents {
  onStart(message: StartMessage): void;
  /** The collector is done, or gone. */
  onEnd(): void;
}

/** The server process's end of the channel. */
export class ChannelCollector implements Collector {
  #table = new RowTable();
  status: Omit<StatusMessage, 'type'> | null = null;
  readonly #socket: Duplex;
  readonly #events: ChannelEvents;
  readonly #names = new Names(EMPTY_CATALOG);
  readonly #asked = new Map<number, Asked>();
  #number = 0;
  #epochNs = 0n;
  #watching = false;
  /** Names that have changed since rows were looked through for them. */
  #changed = new ChangedNames();
  #renaming: NodeJS.Timeout | null = null;
  #onBatch: () => void = () => undefined;

  constructor(socket: Duplex, events: ChannelEvents) {
    this.#socket = socket;
    this.#events = events;
    const reader = new FrameReader(SERVER_FRAME_LIMIT, (type, payload) =>
      this.#receive(type, payload),
    );
    socket.on('data', (chunk: Buffer) => reader.add(chunk));
    socket.on('error', () => events.onEnd());
    socket.on('close', () => events.onEnd());
  }

  get table(): RowTable {
    return this.#table;
  }

  newest(): bigint {
    return this.#names.wallClock(this.#epochNs + BigInt(Math.round(this.table.newestNs)));
  }

  watch(watching: boolean): void {
    this.#watching = watching;
    this.send({ type: 'watch', watching });
    if (!watching) this.table.clear();
  }

  onBatch(listener: () => void): void {
    this.#onBatch = listener;
  }

  flow(id: string, have: readonly string[]): Promise<FlowDetail> {
    return this.#ask({ about: 'flow', id, have }) as Promise<FlowDetail>;
  }

  flows(from: PagePosition | null, limit: number, filter: string): Promise<FlowsPart> {
    return this.#ask({ about: 'flows', from, limit, filter }) as Promise<FlowsPart>;
  }

  first(filter: string, order: RowOrder, limit: number): Promise<FirstFlows> {
    return this.#askUntilWhole<FirstFlows>({ about: 'first', filter, order, limit });
  }

  records(ids: readonly string[]): Promise<readonly FlowRecord[]> {
    return this.#ask({ about: 'records', ids }) as Promise<readonly FlowRecord[]>;
  }

  history(id: string): Promise<FlowHistoryRecord | null> {
    return this.#ask({ about: 'history', id }) as Promise<FlowHistoryRecord | null>;
  }

  groups(by: Grouping, filter: string): Promise<GroupsPart> {
    return this.#ask({ about: 'groups', by, filter }) as Promise<GroupsPart>;
  }

  namespaces(): Promise<readonly NamespaceRecord[]> {
    return this.#ask({ about: 'namespaces' }) as Promise<readonly NamespaceRecord[]>;
  }

  mtu(): Promise<MtuReport> {
    return this.#askUntilWhole<MtuReport>({ about: 'mtu' });
  }

  send(message: ToCollector): void {
    if (this.#socket.writable) this.#socket.write(jsonFrame(message));
  }

  /** What is made a part at a time, null until then. */
  async #askUntilWhole<T extends AnswerMessage['value']>(question: Question): Promise<T> {
    for (;;) {
      const answer = (await this.#ask(question)) as T | null;
      if (answer !== null) return answer;
    }
  }

  /** Rows that have come get names that have come after them. */
  #renameSoon(): void {
    if (!this.#watching) this.#changed = new ChangedNames();
    if (this.#changed.isEmpty || this.#renaming !== null) return;
    this.#renaming = setTimeout(() => {
      const changed = this.#changed;
      this.#changed = new ChangedNames();
      this.#rename(changed, 0);
    }, RENAME_MS);
    this.#renaming.unref();
  }

  #rename(changed: ChangedNames, from: number): void {
    const next = this.table.rename(changed, this.#names, from, RENAMED_SLOTS);
    this.#onBatch();
    if (next === null) {
      this.#renaming = null;
      this.#renameSoon();
      return;
    }
    this.#renaming = setTimeout(() => this.#rename(changed, next), RENAME_STEP_MS);
    this.#renaming.unref();
  }

  #ask(question: Question): Promise<AnswerMessage['value']> {
    if (this.#asked.size >= QUESTION_LIMIT) {
      return Promise.reject(
        new CollectorError('collector-busy', `${QUESTION_LIMIT} questions wait for an answer`),
      );
    }
    const number = ++this.#number;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#asked.delete(number);
        const message = `the collector gave no answer within ${ANSWER_DEADLINE_MS} ms`;
        reject(new CollectorError('collector-busy', message));
      }, ANSWER_DEADLINE_MS);
      this.#asked.set(number, { resolve, timer });
      this.send({ type: 'ask', number, question });
    });
  }

  #receive(type: number, payload: Uint8Array): void {
    if (type === FRAME_ROWS) {
      // One that was on its way when the last client left.
      if (!this.#watching) return;
      this.table.apply(readBatch(payload, this.#names, this.#epochNs));
      this.#onBatch();
      return;
    }
    if (type !== FRAME_JSON) throw new ChannelError('bad-message', 'a frame of an unknown type');
    const message = jsonOf(payload) as ToServer;
    switch (message.type) {
      case 'start':
        this.#epochNs = BigInt(message.epochNs);
        this.#table = new RowTable(message.rows);
        this.#events.onStart(message);
        break;
      case 'catalog':
        this.#names.update(message.catalog);
        this.#changed.addAll();
        this.#renameSoon();
        break;
      case 'cluster-names':
        this.#names.cluster.change(message.change);
        this.#changed.add(message.change);
        this.#renameSoon();
        break;
      case 'status':
        this.status = message;
        break;
      case 'answer': {
        const asked = this.#asked.get(message.number);
        if (asked === undefined) break;
        this.#asked.delete(message.number);
        clearTimeout(asked.timer);
        asked.resolve(message.value);
        break;
      }
      case 'stop':
        this.#events.onEnd();
        break;
    }
  }
}
