import { closeSync } from 'node:fs';
import { adoptMap, RingBuffer } from 'ebpf-ts';
import { log } from '../logger.js';
import { bigintCounts } from '../model/decimal-counts.js';
import type { ConfiguredMtu } from '../mtu/configured-mtu.js';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import { giveCounts } from '../source/count-entries.js';
import { KernelFunctionLookup } from '../source/kernel-function-lookup.js';
import { KernelFunctions } from '../source/kernel-functions.js';
import type { RecordedSource } from '../source/kernel-recording.js';
import { RingReader } from '../source/ring-reader.js';
import type { HandedOver, SourceSampling, SourceSink } from '../source/source.js';
import { samplingOf } from '../source/source-sampling.js';
import { Epoch } from '../wire/clock.js';
import { CountCursor } from '../wire/count-cursor.js';
import type { Observation, SourceStatus, ToJoiner } from './messages.js';
import { errorOf, ObserverError } from './observer-error.js';
import type { ObserverLink } from './observer-link.js';
import { RulesAssembly } from './rules-crossing.js';

/** Asking more often for a window gives none more. */
const REQUEST_MS = 20;
/** Namespaces that were reported as met; past it they are reported again. */
const MET_LIMIT = 4_096;

export interface ObservedSourceOptions extends Observation {
  readonly link: ObserverLink;
  /** Called before anything is read that the observer gives: privileges are given up here. */
  readonly confine: () => void;
  readonly onMode?: (mode: 'open' | 'windows') => void;
}

/**
 * The running kernel, as another process observes it: this one reads the ring by a descriptor
 * that was handed to it, and needs no privilege.
 */
export class ObservedSource implements RecordedSource {
  readonly epochNs = process.hrtime.bigint();
  /** Starts the server and gives its port, whose traffic is left out; null where there is none. */
  ownPort: (() => Promise<number>) | null = null;
  catalog: Catalog = EMPTY_CATALOG;
  configuredMtu: ConfiguredMtu | null = null;
  onSymbol: (address: bigint, name: string) => void = () => undefined;
  readonly #options: ObservedSourceOptions;
  readonly #functions = new KernelFunctions({
    onResolved: (address, name) => this.onSymbol(address, name),
    onWarning: (message) => log.warn('source', message),
  });
  #functionsReady: Promise<void> = Promise.resolve();
  readonly #counts = new CountCursor(new Epoch(this.epochNs));
  readonly #met = new Set<number>();
  readonly #rules = new RulesAssembly();
  #requestedAt = Number.NEGATIVE_INFINITY;
  #status: SourceStatus | null = null;
  #sink: SourceSink | null = null;
  #ring: RingBuffer | null = null;
  #reader: RingReader | null = null;
  #begun: { resolve(): void; reject(error: unknown): void } | null = null;
  #stopping: Promise<void> | null = null;
  #isAsked = false;
  #onEnded: () => void = () => undefined;

  constructor(options: ObservedSourceOptions) {
    this.#options = options;
  }

  get hasRules(): boolean {
    return this.#options.rules;
  }

  get isThinned(): boolean {
    return this.#options.sampling.mode === 'one-in';
  }

  get missing(): readonly string[] {
    return this.#status?.missing ?? [];
  }

  nameAges(): Readonly<Record<string, number | null>> {
    return this.#status?.nameAges ?? {};
  }

  lost(): bigint {
    return Object.values(this.losses()).reduce((sum, n) => sum + n, 0n);
  }

  losses(): Readonly<Record<string, bigint>> {
    return bigintCounts(this.#status?.losses);
  }

  otherLosses(): Readonly<Record<string, bigint>> {
    const forgotten = BigInt(this.#functions.forgotten);
    return { ...bigintCounts(this.#status?.otherLosses), 'symbols-forgotten': forgotten };
  }

  handed(): HandedOver {
    const { records = '0', hops = '0', bytes = '0' } = this.#status?.handed ?? {};
    return { records: BigInt(records), hops: BigInt(hops), bytes: BigInt(bytes) };
  }

  filtered(): bigint {
    return BigInt(this.#status?.filtered ?? '0');
  }

  own(): bigint {
    return BigInt(this.#status?.own ?? '0');
  }

  ringFill(): number | null {
    if (this.#ring === null) return null;
    return this.#ring.available() / this.#options.ringBytes;
  }

  symbol(address: bigint): string | null {
    return this.#functions.name(address);
  }

  resolvedSymbols(): ReadonlyMap<bigint, string> {
    return this.#functions.resolved();
  }

  counted(): number | null {
    return this.#status?.counted ?? null;
  }

  sampling(): SourceSampling {
    return this.#status?.sampling ?? samplingOf(this.#options.sampling, null, null, null);
  }

  met(netns: number): void {
    if (this.#met.has(netns)) return;
    if (this.#met.size >= MET_LIMIT) this.#met.clear();
    this.#met.add(netns);
    this.#options.link.send({ type: 'met', netns });
  }

  request(): void {
    const now = performance.now();
    if (now - this.#requestedAt < REQUEST_MS) return;
    this.#requestedAt = now;
    this.#options.link.send({ type: 'request' });
  }

  /**
   * Has the observer begin, which takes it a second, while there is something else to be done
   * before `start`: that asks where nobody has.
   */
  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    const { link, confine: _confine, onMode: _onMode, ...observation } = this.#options;
    link.send({
      type: 'observe',
      ...observation,
      epochNs: String(this.epochNs),
      log: { level: log.level, format: log.format },
    });
  }

  /** @throws ObserverError, ObserverUnsupportedError as the observer says */
  start(sink: SourceSink): Promise<void> {
    const { link, confine } = this.#options;
    this.#sink = sink;
    confine();
    const begun = new Promise<void>((resolve, reject) => {
      this.#begun = { resolve, reject };
    });
    link.listen({
      onMessage: (message) => this.#receive(message),
      onCounts: (entries) => giveCounts(entries, this.#counts, (row) => sink.count?.(row)),
    });
    this.ask();
    return begun;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    // Never begun, or refused: nothing is attached.
    if (this.#ring !== null) {
      const ended = new Promise<void>((resolve) => {
        this.#onEnded = resolve;
      });
      this.#options.link.send({ type: 'finish' });
      await ended;
    }
    this.#sink?.end();
    this.#functions.close();
    this.#ring?.close();
    this.#ring = null;
  }

  #receive(message: ToJoiner): void {
    const sink = this.#sink;
    if (sink === null) return;
    switch (message.type) {
      case 'ring':
        this.#openRing(sink);
        break;
      case 'functions': {
        const descriptors = this.#options.link.receiveDescriptors();
        const textEnd = message.textEnd === null ? null : BigInt(message.textEnd);
        this.#functionsReady = this.#functions.load(async () =>
          KernelFunctionLookup.adopt(descriptors, textEnd),
        );
        break;
      }
      case 'modules-changed':
        this.#functions.refresh();
        break;
      case 'ask-port':
        void this.#givePort();
        break;
      case 'started':
        this.#begun?.resolve();
        break;
      case 'failed':
        this.#begun?.reject(errorOf(message));
        break;
      case 'turn':
        void this.#read(message.bytes, BigInt(message.now));
        break;
      case 'window':
        sink.window?.(BigInt(message.at), message.sees, message.detail);
        break;
      case 'detail':
        sink.detail?.(BigInt(message.at), message.detail);
        break;
      case 'catalog':
        this.catalog = message.catalog;
        sink.catalog(message.catalog);
        break;
      case 'cluster-names':
        sink.clusterNames?.(message.change);
        break;
      case 'rules-text':
      case 'rules': {
        const news = this.#rules.take(message);
        if (news !== null) sink.rules?.(news);
        break;
      }
      case 'audit':
        this.configuredMtu = message.configured;
        break;
      case 'status':
        this.#status = message.status;
        break;
      case 'mode':
        this.#options.onMode?.(message.mode);
        break;
      case 'ended':
        this.#onEnded();
        break;
      case 'stop':
        // The link's.
        break;
    }
  }

  #openRing(sink: SourceSink): void {
    const [descriptor] = this.#options.link.receiveDescriptors();
    if (descriptor === undefined) {
      throw new ObserverError('OBSERVER_MESSAGE', 'the ring came without a descriptor');
    }
    this.#ring = new RingBuffer(adoptMap(descriptor));
    closeSync(descriptor);
    this.#reader = new RingReader({ ring: this.#ring, sink });
  }

  async #givePort(): Promise<void> {
    try {
      const port = await this.ownPort?.();
      this.#options.link.send({ type: 'port', port: port ?? 0 });
    } catch (error) {
      this.#begun?.reject(error);
    }
  }

  async #read(bytes: number, now: bigint): Promise<void> {
    await this.#functionsReady;
    const records = (await this.#reader?.read(bytes, now)) ?? 0;
    const { user, system } = process.cpuUsage();
    this.#options.link.send({ type: 'read', records, cpuMs: (user + system) / 1000 });
  }
}
