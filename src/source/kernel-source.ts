import { BpfError, BpfObject, Btf, type Link, type NetfilterFamily, RingBuffer } from 'ebpf-ts';
import { UnsupportedError, UsageError } from '../model/errors.js';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import { HOOK_NAMES, OBSERVED_PRIORITIES, PRIORITY_SHIFT_LIMIT } from '../name/netfilter-table.js';
import { COUNTER_LOST_END, COUNTER_LOST_HOP, COUNTER_OWN } from '../wire/layout.gen.js';
import { CatalogReader } from './catalog-reader.js';
import { KernelSymbols } from './kernel-symbols.js';
import { type FoundNamespace, NamespaceWatcher } from './namespace-watcher.js';
import type { Source, SourceSink } from './source.js';

/** Bytes drained at once; a batch of about 12,000 hops. */
const BATCH_BYTES = 4 << 20;
/** Bytes the kernel may be ahead of the daemon. A power of two. */
export const RING_BYTES = 32 << 20;
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
const FAMILIES: readonly NetfilterFamily[] = ['ipv4', 'ipv6'];

/** The tracer's netfilter entry points by the priority they report. */
const ENTRY_POINTS: ReadonlyMap<number, string> = new Map([
  [-301, 'nf_before_raw'],
  [-151, 'nf_before_mangle'],
  [-101, 'nf_before_dstnat'],
  [-99, 'nf_after_dstnat'],
  [-1, 'nf_before_filter'],
  [1, 'nf_after_filter'],
  [97, 'nf_before_srcnat'],
  [101, 'nf_after_srcnat'],
]);

const TRACEPOINT_PROGRAMS = [
  'on_drop',
  'on_consume',
  'on_tcp_segment',
  'on_read',
  'on_connect',
  'on_ingress',
  'on_egress',
] as const;

export interface KernelSourceOptions {
  /** The compiled tracer, dist/bpf/tracer.bpf.o. */
  readonly objectFile: string;
  /** Names of the namespaces to observe; null for all. */
  readonly netns?: readonly string[] | null;
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
  readonly #links: Link[] = [];
  readonly #netfilter = new Map<number, Link[]>();
  readonly #missing = new Set<string>();
  readonly #resolved = new Map<bigint, string>();
  #catalog: Catalog = EMPTY_CATALOG;
  #object: BpfObject | null = null;
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
  #shift = 0;
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

  get missing(): readonly string[] {
    return [...this.#missing];
  }

  lost(): bigint {
    return this.#counter(COUNTER_LOST_HOP) + this.#counter(COUNTER_LOST_END);
  }

  own(): bigint {
    return this.#counter(COUNTER_OWN);
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
    for (const link of this.#links) {
      link.close();
    }
    this.#closeNetfilter();
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
    this.#object?.close();
    this.#object = null;
  }

  #lastCounters(): void {
    for (const counter of [COUNTER_LOST_HOP, COUNTER_LOST_END, COUNTER_OWN]) {
      this.#finalCounters.set(counter, this.#counter(counter));
    }
  }

  #counter(index: number): bigint {
    const map = this.#object?.map('counters');
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

  /** Loads and attaches, aside from any other observer that has our priorities. */
  #attach(): void {
    for (let shift = 0; shift < PRIORITY_SHIFT_LIMIT; shift++) {
      const object = this.#load(shift);
      this.#object = object;
      if (this.#options.netns != null) {
        this.#observe();
      }
      if (this.#attachNamespaces(object, shift)) {
        this.#shift = shift;
        this.#ring = new RingBuffer(object.map('events'));
        this.#attachTracepoints(object);
        return;
      }
      this.#closeNetfilter();
      object.close();
    }
    throw new UnsupportedError(
      'TOO_MANY_OBSERVERS',
      `${PRIORITY_SHIFT_LIMIT} other programs have the netfilter priorities hopscope needs`,
      'stop other hopscope processes; see: bpftool link list',
    );
  }

  /** False when another program has one of the priorities. */
  #attachNamespaces(object: BpfObject, shift: number): boolean {
    for (const namespace of this.#namespaces.values()) {
      if (!this.#attachNetfilter(object, namespace, shift)) {
        return false;
      }
    }
    return true;
  }

  #closeNetfilter(): void {
    for (const links of this.#netfilter.values()) {
      for (const link of links) {
        link.close();
      }
    }
    this.#netfilter.clear();
  }

  #load(shift: number): BpfObject {
    try {
      const object = BpfObject.open(this.#options.objectFile);
      object.setMapMaxEntries('events', RING_BYTES);
      object.setConstant('own_port', this.ownPort);
      object.setConstant('own_netns', NamespaceWatcher.own());
      object.setConstant('only_observed', this.#options.netns == null ? 0 : 1);
      object.setConstant('priority_shift', shift);
      object.load();
      return object;
    } catch (error) {
      throw unsupported(error);
    }
  }

  #attachTracepoints(object: BpfObject): void {
    for (const name of TRACEPOINT_PROGRAMS) {
      try {
        this.#links.push(object.program(name).attachBtf());
      } catch (error) {
        throw unsupported(error);
      }
    }
  }

  /** False when another program has one of the priorities. */
  #attachNetfilter(object: BpfObject, namespace: FoundNamespace, shift: number): boolean {
    const links: Link[] = [];
    this.#netfilter.set(namespace.inode, links);
    for (const hook of HOOK_NAMES) {
      for (const place of OBSERVED_PRIORITIES[hook]) {
        const entry = object.program(entryPoint(place.priority));
        const priority = place.priority + shift * place.aside;
        for (const family of FAMILIES) {
          try {
            links.push(entry.attachNetfilter({ family, hook, priority, netns: namespace.path }));
          } catch (error) {
            if (!(error instanceof BpfError)) {
              throw error;
            }
            if (error.code === 'EBUSY') {
              return false;
            }
            // A namespace may go while it is attached to; the next scan tidies up.
            if (error.code !== 'ENOENT') {
              this.#missing.add(`netfilter ${hook} (${family}): ${error.code}`);
            }
            return true;
          }
        }
      }
    }
    return true;
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

  /** Tells the programs which namespaces to speak of. */
  #observe(): void {
    const map = this.#object?.map('observed');
    for (const inode of this.#namespaces.keys()) {
      map?.put(new Uint8Array(Uint32Array.of(inode).buffer), Uint8Array.of(1));
    }
  }

  async #scan(): Promise<void> {
    if (this.#scanning || this.#stopped || this.#object === null) {
      return;
    }
    this.#scanning = true;
    try {
      const found = this.#select(this.#watcher.scan());
      let changed = false;
      for (const [inode, links] of this.#netfilter) {
        if (!found.has(inode)) {
          // A link keeps its namespace alive: let go, or its devices would stay.
          for (const link of links) {
            link.close();
          }
          this.#netfilter.delete(inode);
          changed = true;
        }
      }
      const fresh = [...found.values()].filter((n) => !this.#netfilter.has(n.inode));
      const renamed = [...found.values()].some(
        (n) => this.#namespaces.get(n.inode)?.name !== n.name,
      );
      this.#namespaces = found;
      if (fresh.length > 0 && this.#options.netns != null) {
        this.#observe();
      }
      for (const namespace of fresh) {
        if (!this.#attachNetfilter(this.#object, namespace, this.#shift)) {
          this.#missing.add(`netfilter in ${namespace.path}: another program has the priorities`);
        }
      }
      changed ||= renamed || fresh.length > 0;
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
    for (let i = 0; i < batches; i++) {
      const { records, bytes } = ring.drain(this.#target);
      if (records === 0) {
        sink.tick(process.hrtime.bigint());
        return false;
      }
      this.#lastRecords += records;
      sink.batch(this.#target, bytes);
    }
    sink.tick(process.hrtime.bigint());
    return true;
  }

  #takeAll(): void {
    while (this.#take(BATCHES_PER_TURN)) {
      // until the ring is empty
    }
  }
}

function entryPoint(priority: number): string {
  const name = ENTRY_POINTS.get(priority);
  if (name === undefined) {
    throw new RangeError(`the tracer has no entry point for priority ${priority}`);
  }
  return name;
}

function kernelDropReasons(): Map<string, number | bigint> {
  try {
    const btf = Btf.kernel();
    try {
      return btf.enumValues('skb_drop_reason');
    } finally {
      btf.close();
    }
  } catch (error) {
    throw unsupported(error);
  }
}

/** Whether a catalog says anything new; the clocks drift apart by themselves. */
function isNews(before: Catalog, after: Catalog): boolean {
  const comparable = (c: Catalog): string => JSON.stringify({ ...c, clockOffsetNs: '' });
  return comparable(before) !== comparable(after);
}

function unsupported(error: unknown): UnsupportedError {
  if (!(error instanceof BpfError)) {
    throw error;
  }
  const denied = error.code === 'EPERM' || error.code === 'EACCES';
  return new UnsupportedError(
    denied ? 'KERNEL_NOT_PERMITTED' : 'KERNEL_NOT_SUPPORTED',
    `${error.operation}: ${error.message}`,
    denied
      ? 'run as root (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_SYS_ADMIN); hopscope doctor tells more'
      : 'hopscope doctor tells what this kernel lacks',
    { cause: error },
  );
}
