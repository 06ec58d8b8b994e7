import { RingBuffer } from 'ebpf-ts';
import { UsageError } from '../model/errors.js';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import {
  COUNTER_LOST_END,
  COUNTER_LOST_HOP,
  COUNTER_OWN,
  HEADER_TIME,
} from '../wire/layout.gen.js';
import { FRAME_HEADER } from '../wire/record-cursor.js';
import { CatalogReader } from './catalog-reader.js';
import type { HookInstrument } from './hook-programs.js';
import { KernelSymbols } from './kernel-symbols.js';
import { KernelTypes } from './kernel-types.js';
import { type FoundNamespace, NamespaceWatcher } from './namespace-watcher.js';
import type { Source, SourceSink } from './source.js';
import { RING_BYTES, Tracer, unsupported } from './tracer.js';

/** Bytes drained at once; a batch of about 12,000 hops. */
const BATCH_BYTES = 4 << 20;
/** Waiting between drains: records pile up in the ring, which costs the kernel no wake-up. */
const BUSY_WAIT_MS = 4;
const IDLE_WAIT_MS = 20;
/** Batches taken before timers and sockets get their turn. */
const BATCHES_PER_TURN = 4;
/** Places that drops come from and are remembered; a kernel has a few thousand. */
const SYMBOL_LIMIT = 65_536;
const NAMESPACE_SCAN_MS = 400;
/** Names are asked for again: soon after a change, which goes on for a while, then seldom. */
const NAME_SCAN_FIRST_MS = 500;
const NAME_SCAN_MOST_MS = 10_000;

export interface KernelSourceOptions {
  /** The compiled tracer, dist/bpf/tracer.bpf.o. */
  readonly objectFile: string;
  /** Names of the namespaces to observe; null for all. */
  readonly netns?: readonly string[] | null;
  /** What sees netfilter hooks; the best this kernel has when absent. */
  readonly hooks?: HookInstrument;
  /** Told of what goes wrong while it runs, without stopping it. */
  readonly onWarning?: (message: string) => void;
}

/** The running kernel. */
export class KernelSource implements Source {
  readonly epochNs = process.hrtime.bigint();
  /** Port whose loopback traffic is left out; 0 for none. Set it before `start`. */
  ownPort = 0;
  readonly #options: KernelSourceOptions;
  readonly #watcher = new NamespaceWatcher();
  readonly #target = new Uint8Array(BATCH_BYTES);
  readonly #resolved = new Map<bigint, string>();
  #catalog: Catalog = EMPTY_CATALOG;
  #tracer: Tracer | null = null;
  #ring: RingBuffer | null = null;
  #symbols: KernelSymbols | null = null;
  #reader: CatalogReader | null = null;
  #sink: SourceSink | null = null;
  #namespaces = new Map<number, FoundNamespace>();
  #drainTimer: NodeJS.Timeout | NodeJS.Immediate | null = null;
  #scanTimer: NodeJS.Timeout | null = null;
  #namesDue = 0;
  #namesWait = NAME_SCAN_FIRST_MS;
  #scanning = false;
  #lastRecords = 0;
  readonly #finalCounters = new Map<number, bigint>();
  #stopped = false;
  #beginning: Promise<void> = Promise.resolve();

  constructor(options: KernelSourceOptions) {
    this.#options = options;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** What sees netfilter hooks; `none` before `start`. */
  get hooks(): HookInstrument {
    return this.#tracer?.hooks ?? 'none';
  }

  get missing(): readonly string[] {
    return this.#tracer?.missing ?? [];
  }

  lost(): bigint {
    return this.#counter(COUNTER_LOST_HOP) + this.#counter(COUNTER_LOST_END);
  }

  own(): bigint {
    return this.#counter(COUNTER_OWN);
  }

  ringFill(): number | null {
    return this.#ring === null || this.#stopped ? null : this.#ring.available() / RING_BYTES;
  }

  symbol(address: bigint): string | null {
    const known = this.#resolved.get(address);
    if (known !== undefined) {
      return known;
    }
    const name = this.#symbols?.find(address) ?? null;
    if (name !== null && this.#resolved.size < SYMBOL_LIMIT) {
      this.#resolved.set(address, name);
    }
    return name;
  }

  /** Every address asked for so far, with its function. */
  resolvedSymbols(): ReadonlyMap<bigint, string> {
    return this.#resolved;
  }

  async start(sink: SourceSink): Promise<void> {
    this.#sink = sink;
    const reasons = kernelDropReasons();
    this.#reader = new CatalogReader(reasons);
    this.#namespaces = this.#select(this.#watcher.scan());
    this.#requireNamed();
    this.#catalog = await this.#reader.read(this.#namespaces.values());
    sink.catalog(this.#catalog);
    this.#attach();
    this.#beginning = this.#begin();
    this.#namesDue = Date.now() + this.#namesWait;
    this.#scanTimer = setInterval(() => void this.#scan(), NAMESPACE_SCAN_MS);
  }

  /** The ring holds what comes meanwhile, so that the first drop has its place named too. */
  async #begin(): Promise<void> {
    try {
      this.#symbols = await KernelSymbols.load();
    } catch (error) {
      this.#options.onWarning?.(`drops have no place: ${String(error)}`);
    }
    this.#drain();
  }

  async stop(): Promise<void> {
    // What is in the ring is judged by the kernel's symbols: have them first.
    await this.#beginning;
    if (this.#stopped) {
      return;
    }
    // Detach first, then take what is still in the ring.
    this.#tracer?.detach();
    if (this.#scanTimer !== null) {
      clearInterval(this.#scanTimer);
    }
    this.#takeAll();
    this.#stopped = true;
    if (this.#drainTimer !== null) {
      clearTimeout(this.#drainTimer as NodeJS.Timeout);
      clearImmediate(this.#drainTimer as NodeJS.Immediate);
    }
    this.#lastCounters();
    this.#sink?.end();
    this.#ring?.close();
    this.#tracer?.close();
  }

  #lastCounters(): void {
    for (const counter of [COUNTER_LOST_HOP, COUNTER_LOST_END, COUNTER_OWN]) {
      this.#finalCounters.set(counter, this.#counter(counter));
    }
  }

  #counter(index: number): bigint {
    const map = this.#tracer?.map('counters');
    if (map === undefined) {
      return this.#finalCounters.get(index) ?? 0n;
    }
    const key = new Uint8Array(Uint32Array.of(index).buffer);
    const values = map.get(key);
    if (values === null) {
      return 0n;
    }
    const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
    let sum = 0n;
    for (let at = 0; at + 8 <= values.byteLength; at += 8) {
      sum += view.getBigUint64(at, true);
    }
    return sum;
  }

  #attach(): void {
    const tracer = new Tracer({
      objectFile: this.#options.objectFile,
      ownPort: this.ownPort,
      limited: this.#options.netns != null,
      hooks: this.#options.hooks,
    });
    tracer.attach(this.#namespaces);
    this.#tracer = tracer;
    const events = tracer.map('events');
    this.#ring = events === undefined ? null : new RingBuffer(events);
  }

  #select(found: Map<number, FoundNamespace>): Map<number, FoundNamespace> {
    const wanted = this.#options.netns;
    if (wanted == null) {
      return found;
    }
    const own = NamespaceWatcher.own();
    return new Map(
      [...found].filter(
        ([inode, namespace]) =>
          (namespace.name !== null && wanted.includes(namespace.name)) ||
          (inode === own && wanted.includes('host')),
      ),
    );
  }

  #requireNamed(): void {
    for (const name of this.#options.netns ?? []) {
      const known = [...this.#namespaces.values()].some((n) => n.name === name);
      if (!known && name !== 'host') {
        throw new UsageError(
          'NETNS_NOT_FOUND',
          `there is no network namespace ${name}; see: ip netns list`,
        );
      }
    }
  }

  async #scan(): Promise<void> {
    const tracer = this.#tracer;
    if (this.#scanning || this.#stopped || tracer === null) {
      return;
    }
    this.#scanning = true;
    try {
      const found = this.#select(this.#watcher.scan());
      tracer.leave(found);
      const fresh = [...found.values()].filter((n) => !this.#namespaces.has(n.inode));
      const renamed = [...found.values()].some(
        (n) => this.#namespaces.get(n.inode)?.name !== n.name,
      );
      const gone = [...this.#namespaces.keys()].some((inode) => !found.has(inode));
      const changed = gone || renamed || fresh.length > 0;
      this.#namespaces = found;
      tracer.observe(fresh.map((n) => n.inode));
      for (const namespace of fresh) {
        tracer.enter(namespace);
      }
      if (changed || this.#namesDue <= Date.now()) {
        this.#namesWait = changed
          ? NAME_SCAN_FIRST_MS
          : Math.min(2 * this.#namesWait, NAME_SCAN_MOST_MS);
        this.#namesDue = Date.now() + this.#namesWait;
        const catalog = await this.#reader?.read(found.values());
        if (catalog !== undefined && !this.#stopped && isNews(this.#catalog, catalog)) {
          this.#catalog = catalog;
          this.#sink?.catalog(catalog);
        }
      }
      if (!this.#stopped) {
        tracer.renew(found);
      }
    } catch (error) {
      this.#options.onWarning?.(`looking for namespaces: ${String(error)}`);
    } finally {
      this.#scanning = false;
    }
  }

  /** Takes what is there, hands it on, and comes back. */
  #drain(): void {
    if (this.#stopped) {
      return;
    }
    const full = this.#take(BATCHES_PER_TURN);
    if (full) {
      this.#drainTimer = setImmediate(() => this.#drain());
    } else {
      const wait = this.#lastRecords > 0 ? BUSY_WAIT_MS : IDLE_WAIT_MS;
      this.#drainTimer = setTimeout(() => this.#drain(), wait);
    }
  }

  /** Drains up to `batches` batches; true when the ring had more than that. */
  #take(batches: number): boolean {
    const ring = this.#ring;
    const sink = this.#sink;
    if (ring === null || sink === null) {
      return false;
    }
    this.#lastRecords = 0;
    let oldest = 0n;
    for (let i = 0; i < batches; i++) {
      // What is in the ring is older than now; what comes while it is read may not be.
      const now = process.hrtime.bigint();
      const { records, bytes } = ring.drain(this.#target);
      if (records === 0) {
        sink.tick(now);
        return false;
      }
      this.#lastRecords += records;
      oldest = timeOfFirst(this.#target);
      sink.batch(this.#target, bytes);
    }
    // Behind the clock by what is still in the ring: nothing that waits there is over.
    sink.tick(oldest);
    return true;
  }

  #takeAll(): void {
    while (this.#take(BATCHES_PER_TURN)) {
      // until the ring is empty
    }
  }
}

/** Time of a batch's first record, monotonic nanoseconds. */
function timeOfFirst(batch: Uint8Array): bigint {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  return view.getBigUint64(FRAME_HEADER + HEADER_TIME, true);
}

function kernelDropReasons(): Map<string, number | bigint> {
  let types: KernelTypes | null = null;
  try {
    types = new KernelTypes();
    return types.dropReasons();
  } catch (error) {
    throw unsupported(error);
  } finally {
    types?.close();
  }
}

/** Whether a catalog says anything new; the clocks drift apart by themselves. */
function isNews(before: Catalog, after: Catalog): boolean {
  const comparable = (c: Catalog): string => JSON.stringify({ ...c, clockOffsetNs: '' });
  return comparable(before) !== comparable(after);
}
