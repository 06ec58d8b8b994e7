import type { Duplex } from 'node:stream';
import { type BpfMap, compilePacketFilter, sendDescriptors } from 'ebpf-ts';
import type { Seen } from 'hopscope-protocol';
import { FRAME_COUNTS, FRAME_JSON, FrameReader, frameHead, jsonFrame } from '../channel/frame.js';
import { PacketFilter } from '../filter/packet-filter.js';
import { heartbeat } from '../heartbeat.js';
import { log } from '../logger.js';
import { decimalCounts } from '../model/decimal-counts.js';
import type { Catalog } from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { NameChoice } from '../provide/name-choice.js';
import type { NameProvider } from '../provide/name-provider.js';
import type { RulesNews } from '../rules/rule-text.js';
import { countEntry } from '../source/count-entries.js';
import { COUNT_ENTRIES_LIMIT } from '../source/counter.js';
import type { DescriptorStore } from '../source/descriptor-store.js';
import type { HookDetail } from '../source/hook-places.js';
import { discardKept } from '../source/kept-counts.js';
import type { KernelFunctionLookup } from '../source/kernel-function-lookup.js';
import { KernelSource } from '../source/kernel-source.js';
import { MtuAuditor } from '../source/mtu-auditor.js';
import type { RemoteReader } from '../source/remote-reader.js';
import type { SourceSink } from '../source/source.js';
import type { CountCursor } from '../wire/count-cursor.js';
import {
  OBSERVER_FRAME_LIMIT,
  type ObserveMessage,
  parseToObserver,
  type SourceStatus,
  type ToJoiner,
} from './messages.js';
import { failedMessage, ObserverError } from './observer-error.js';
import { rulesMessages } from './rules-crossing.js';

/** Beats between two reports of what was lost and what is missing. */
const STATUS_BEATS = 3;

export interface ObserverOptions {
  /** To the process that joins. */
  readonly socket: Duplex;
  /** The socket that descriptors cross. */
  readonly descriptors: number;
  /** dist/bpf/tracer.bpf.o */
  readonly objectFile: string;
  /** Who is asked for names. Errors: UsageError. */
  readonly names: (choice: NameChoice) => readonly NameProvider[];
  /** What this machine lacks besides, once all is attached. */
  readonly examine: () => Promise<readonly string[]>;
  /** Finds out what lies under an error, and what to do about it. */
  readonly trueCause: (error: unknown) => Promise<unknown>;
  /** Where the counter is kept for the process after this one; null: nowhere. */
  readonly store: DescriptorStore | null;
  /** Called with what the service manager is to hear. */
  readonly onNotify: (state: string) => void;
  /** Called when all is attached, or with why it cannot be. */
  readonly onBegun?: (error: unknown) => void;
  /** Called when what comes is not what the joiner sends: it is to be ended. */
  readonly onBroken: (why: string) => void;
}

/**
 * The privileged end: loads, attaches, enters namespaces, reads counts and names, and hands
 * descriptors on. It sees no packet and listens nowhere.
 */
export class Observer implements RemoteReader, SourceSink {
  readonly #options: ObserverOptions;
  #source: KernelSource | null = null;
  #examined: readonly string[] = [];
  #counts: Uint8Array[] = [];
  #status = '';
  #stopReporting: () => void = () => undefined;
  #cpuMs = 0;
  /** Resolves the turn that the joiner is at. */
  #onRead: ((records: number) => void) | null = null;
  #onPort: ((port: number) => void) | null = null;
  #isClosed = false;
  #auditor: MtuAuditor | null = null;
  /** Rules cross one after the other. */
  #sending: Promise<void> = Promise.resolve();

  constructor(options: ObserverOptions) {
    this.#options = options;
    const { socket } = options;
    const reader = new FrameReader(OBSERVER_FRAME_LIMIT, (type, payload) => {
      if (type !== FRAME_JSON) throw new ObserverError('OBSERVER_MESSAGE', 'a frame of no type');
      this.#receive(payload);
    });
    socket.on('data', (chunk: Buffer) => {
      if (this.#isClosed) return;
      try {
        reader.add(chunk);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        void this.close();
        options.onBroken(why);
      }
    });
    // The joiner has ended, which is noticed elsewhere.
    socket.on('error', () => undefined);
  }

  /** Asks the command to stop. */
  stop(signal: string): void {
    this.#send({ type: 'stop', signal });
  }

  /** Detaches everything; nothing is sent any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#stopReporting();
    this.#auditor?.stop();
    this.#onRead?.(0);
    await this.#source?.stop();
  }

  // ------------------------------------------------------------ RemoteReader

  open(ring: BpfMap): void {
    this.#sendDescriptors([ring.descriptor()], { type: 'ring' });
  }

  functions(lookup: KernelFunctionLookup | null): void {
    if (lookup === null) return;
    const textEnd = lookup.textEnd === null ? null : String(lookup.textEnd);
    this.#sendDescriptors(lookup.descriptors, { type: 'functions', textEnd });
  }

  modulesChanged(): void {
    this.#send({ type: 'modules-changed' });
  }

  cpuMs(): number {
    return this.#cpuMs;
  }

  read(bytes: number, now: bigint): Promise<number> {
    if (this.#isClosed) return Promise.resolve(0);
    return new Promise((resolve) => {
      this.#onRead = resolve;
      this.#send({ type: 'turn', now: String(now), bytes });
    });
  }

  // -------------------------------------------------------------- SourceSink

  batch(): void {
    // Records are the joiner's.
  }

  tick(): void {
    // So is time.
  }

  count(row: CountCursor): void {
    if (this.#counts.length === 0) setImmediate(() => this.#sendCounts());
    this.#counts.push(countEntry(row));
  }

  window(at: bigint, sees: Seen, detail: HookDetail): void {
    this.#send({ type: 'window', at: String(at), sees, detail });
  }

  detail(at: bigint, detail: HookDetail): void {
    this.#send({ type: 'detail', at: String(at), detail });
  }

  catalog(catalog: Catalog): void {
    this.#send({ type: 'catalog', catalog });
  }

  clusterNames(change: NameChange): void {
    this.#send({ type: 'cluster-names', change });
  }

  rules(news: RulesNews): void {
    this.#sending = this.#sending.then(() => this.#sendRules(news));
  }

  end(): void {
    void this.#sending.then(() => {
      this.#report();
      this.#send({ type: 'ended' });
    });
  }

  // ------------------------------------------------------------------------

  #receive(payload: Uint8Array): void {
    const message = parseToObserver(payload);
    switch (message.type) {
      case 'observe':
        if (this.#source !== null) throw new ObserverError('OBSERVER_MESSAGE', 'it begins twice');
        void this.#begin(message);
        break;
      case 'port':
        this.#onPort?.(message.port);
        break;
      case 'read':
        this.#cpuMs = message.cpuMs;
        this.#onRead?.(message.records);
        this.#onRead = null;
        break;
      case 'met':
        this.#source?.met(message.netns);
        break;
      case 'request':
        this.#source?.request();
        break;
      case 'notify':
        this.#options.onNotify(message.state);
        break;
      case 'finish':
        void this.#source?.stop();
        break;
    }
  }

  async #begin(message: ObserveMessage): Promise<void> {
    const { netns, sampling, ringBytes, count, rules, filter, hasServer } = message;
    Object.assign(log, message.log);
    try {
      const { store } = this.#options;
      if (!count && store !== null) await discardKept(store, COUNT_ENTRIES_LIMIT);
      const source = new KernelSource({
        ...{ objectFile: this.#options.objectFile, netns, sampling, ringBytes, count, rules },
        filter: filter === null ? null : new PacketFilter(filter, compilePacketFilter),
        names: this.#options.names(message.names),
        reader: this,
        store,
        epochNs: BigInt(message.epochNs),
        onWarning: (what) => log.warn('source', what),
        onMode: (mode) => this.#send({ type: 'mode', mode }),
      });
      this.#source = source;
      if (hasServer) source.ownPort = () => this.#askPort();
      await source.start(this);
    } catch (error) {
      const cause = await this.#options.trueCause(error);
      this.#send(failedMessage(cause));
      this.#options.onBegun?.(cause);
      return;
    }
    this.#report();
    this.#stopReporting = heartbeat.every(STATUS_BEATS, () => this.#report());
    this.#send({ type: 'started' });
    this.#options.onBegun?.(null);
    if (message.audit) {
      this.#auditor = new MtuAuditor(netns, (configured) =>
        this.#send({ type: 'audit', configured }),
      );
      this.#auditor.start();
    }
    if (hasServer) this.#examined = await this.#options.examine();
  }

  #askPort(): Promise<number> {
    return new Promise((resolve) => {
      this.#onPort = resolve;
      this.#send({ type: 'ask-port' });
    });
  }

  #report(): void {
    const source = this.#source;
    if (source === null) return;
    const { records, hops, bytes } = source.handed();
    const status: SourceStatus = {
      losses: decimalCounts(Object.entries(source.losses())),
      otherLosses: decimalCounts(Object.entries(source.otherLosses())),
      handed: { records: String(records), hops: String(hops), bytes: String(bytes) },
      filtered: String(source.filtered()),
      own: String(source.own()),
      ringFill: source.ringFill(),
      missing: [...source.missing, ...(this.#auditor?.missing ?? []), ...this.#examined],
      nameAges: source.nameAges(),
      counted: source.counted(),
      sampling: source.sampling(),
    };
    const text = JSON.stringify(status);
    if (text === this.#status) return;
    this.#status = text;
    this.#send({ type: 'status', status });
  }

  #sendDescriptors(descriptors: readonly number[], message: ToJoiner): void {
    if (this.#isClosed) return;
    sendDescriptors(this.#options.descriptors, descriptors);
    this.#send(message);
  }

  async #sendRules(news: RulesNews): Promise<void> {
    for (const message of rulesMessages(news)) {
      this.#send(message);
      // A turn of the ring, or a window, is not to wait for all of it.
      if (message.type === 'rules-text') await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #sendCounts(): void {
    if (this.#counts.length === 0 || this.#isClosed) return;
    const entries = Buffer.concat(this.#counts);
    this.#counts = [];
    const { socket } = this.#options;
    socket.cork();
    socket.write(frameHead(entries.length, FRAME_COUNTS));
    socket.write(entries);
    socket.uncork();
  }

  /** In order: what was counted before goes first. */
  #send(message: ToJoiner): void {
    if (this.#isClosed || !this.#options.socket.writable) return;
    this.#sendCounts();
    this.#options.socket.write(jsonFrame(message));
  }
}
