import { dirname, join } from 'node:path';
import { RingBuffer } from 'ebpf-ts';
import { SAMPLE_ALL, type Sampling, samplingName } from '../model/sampling.js';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import { Epoch } from '../wire/clock.js';
import {
  COUNTER_LOST_EVENT,
  COUNTER_LOST_NESTED,
  COUNTER_LOST_RING,
  COUNTER_OWN,
} from '../wire/layout.gen.js';
import { CatalogFollower } from './catalog-follower.js';
import { CatalogReader } from './catalog-reader.js';
import { FlowCounting } from './flow-counting.js';
import { Governor, type Plan } from './governor.js';
import type { HookDetail } from './hook-places.js';
import type { HookInstrument } from './hook-programs.js';
import { sumOfCpus } from './kernel-counters.js';
import { KernelFunctions } from './kernel-functions.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { NetnsDirectory } from './netns-directory.js';
import { ObservedNamespaces, sameNamespaces } from './observed-namespaces.js';
import { RingDrain } from './ring-drain.js';
import type { Source, SourceSampling, SourceSink } from './source.js';
import { Tracer } from './tracer.js';
import { kernelDropReasons, RING_BYTES } from './tracer-object.js';
import { scheduleOf } from './tracer-schedule.js';
import type { TracingSchedule } from './tracing-schedule.js';

/** Between looks at namespaces, their hooks and the kernel's modules. */
const NAMESPACE_SCAN_MS = 400;
/** Drops after so long without one are worth a look at once. */
const DROPS_ANEW_NS = 1_000_000_000n;

export interface KernelSourceOptions {
  /** The compiled tracer, dist/bpf/tracer.bpf.o. */
  readonly objectFile: string;
  /** Names of the namespaces to observe; null for all. */
  readonly netns?: readonly string[] | null;
  /** What sees netfilter hooks; the best this kernel has when absent. */
  readonly hooks?: HookInstrument;
  /** Whether every flow is counted in the kernel, whatever is traced. */
  readonly count?: boolean;
  /** Which packets are traced; all when absent. */
  readonly sampling?: Sampling;
  /** Bytes that the kernel may be ahead of the daemon, a power of two; RING_BYTES when absent. */
  readonly ringBytes?: number;
  /** Told when tracing everything has become too dear, or is not so any more. */
  readonly onMode?: (mode: Plan['mode']) => void;
  /** Told of what goes wrong while it runs, without stopping it. */
  readonly onWarning?: (message: string) => void;
}

/** The running kernel. */
export class KernelSource implements Source {
  readonly epochNs = process.hrtime.bigint();
  /** Port whose loopback traffic is left out; 0 for none. Set it before `start`. */
  ownPort = 0;
  readonly #options: KernelSourceOptions;
  /** Told of each function that drops come from, as it is resolved. */
  onSymbol: (address: bigint, name: string) => void = () => undefined;
  readonly #observed: ObservedNamespaces;
  readonly #directory = new NetnsDirectory(() => this.#lookSoon());
  readonly #functions = new KernelFunctions({
    onResolved: (address, name) => this.onSymbol(address, name),
  });
  #tracer: Tracer | null = null;
  #ring: RingBuffer | null = null;
  #names: CatalogFollower | null = null;
  #sink: SourceSink | null = null;
  #namespaces = new Map<number, FoundNamespace>();
  #drain: RingDrain | null = null;
  readonly #sampling: Sampling;
  readonly #governor: Governor | null;
  #schedule: TracingSchedule | null = null;
  #counting: FlowCounting | null = null;
  /** Since when nothing but drops can come, ns; null while everything can. */
  #closedSince: bigint | null = null;
  #onlyDrops = false;
  #scanTimer: NodeJS.Timeout | null = null;
  #soon: NodeJS.Immediate | null = null;
  #finalLosses: Readonly<Record<string, bigint>> | null = null;
  #finalOwn = 0n;
  #stopped = false;
  #beginning: Promise<void> = Promise.resolve();

  constructor(options: KernelSourceOptions) {
    this.#options = options;
    this.#observed = new ObservedNamespaces(options.netns ?? null);
    this.#sampling = options.sampling ?? SAMPLE_ALL;
    this.#governor = this.#sampling.mode === 'auto' ? new Governor(this.#sampling.budget) : null;
  }

  get catalog(): Catalog {
    return this.#names?.catalog ?? EMPTY_CATALOG;
  }

  /** What sees netfilter hooks; `none` before `start`. */
  get hooks(): HookInstrument {
    return this.#tracer?.hooks ?? 'none';
  }

  get missing(): readonly string[] {
    return [...(this.#tracer?.missing ?? []), ...(this.#counting?.missing ?? [])];
  }

  lost(): bigint {
    return Object.values(this.losses()).reduce((sum, n) => sum + n, 0n);
  }

  losses(): Readonly<Record<string, bigint>> {
    return (
      this.#finalLosses ?? {
        'ring-full-hops': this.#counter(COUNTER_LOST_RING),
        'ring-full-events': this.#counter(COUNTER_LOST_EVENT),
        'slot-busy': this.#counter(COUNTER_LOST_NESTED),
        'program-recursion': this.#tracer?.recursionMisses() ?? 0n,
      }
    );
  }

  own(): bigint {
    return this.#finalLosses === null ? this.#counter(COUNTER_OWN) : this.#finalOwn;
  }

  ringFill(): number | null {
    return this.#ring === null || this.#stopped ? null : this.#ring.available() / this.#ringBytes;
  }

  symbol(address: bigint): string | null {
    return this.#functions.name(address);
  }

  /** Every address asked for so far, with its function. */
  resolvedSymbols(): ReadonlyMap<bigint, string> {
    return this.#functions.resolved();
  }

  /** How much of each hook is seen; see `Tracer.setDetail`. */
  setDetail(detail: HookDetail): void {
    this.#tracer?.setDetail(detail, this.#namespaces);
  }

  /** Begins to see everything again, after `close`. Errors: UnsupportedError. */
  open(): void {
    if (this.#tracer === null || this.#tracer.isOpen) return;
    this.#tracer.open();
    this.#changeWindow(process.hrtime.bigint(), true);
  }

  /** Sees drops and nothing else, until `open`. */
  close(): void {
    if (this.#tracer === null || !this.#tracer.isOpen) return;
    const at = process.hrtime.bigint();
    this.#tracer.close();
    this.#changeWindow(at, false);
  }

  counted(): number | null {
    return this.#counting?.packets ?? null;
  }

  sampling(): SourceSampling {
    return {
      mode: samplingName(this.#sampling),
      windowOpen: this.#tracer?.isOpen ?? false,
      detail: this.#tracer?.detail ?? 'all',
      budget: this.#governor?.budget ?? null,
      cost: this.#governor?.cost ?? null,
    };
  }

  /** Windows opened so far, those of them asked for, and closings since the ring was filling up. */
  windows(): { readonly opened: number; readonly requested: number; readonly crowded: number } {
    return {
      opened: this.#schedule?.windows ?? 0,
      requested: this.#schedule?.requestedWindows ?? 0,
      crowded: this.#governor?.crowdings ?? 0,
    };
  }

  request(): void {
    this.#schedule?.request();
  }

  async start(sink: SourceSink): Promise<void> {
    this.#sink = sink;
    this.#namespaces = this.#observed.scan();
    this.#observed.requireNamed(this.#namespaces);
    // What comes between this look and the attaching is found by the next one.
    this.#directory.watch();
    this.#names = new CatalogFollower(
      new CatalogReader(kernelDropReasons()),
      () => this.#namespaces.values(),
      (catalog) => sink.catalog(catalog),
      (message) => this.#options.onWarning?.(message),
    );
    await this.#names.start();
    if (this.#options.count === true) {
      this.#counting = this.#newCounting(sink);
      await this.#counting.start();
    }
    this.#attach();
    this.#beginning = this.#begin();
    this.#scanTimer = setInterval(() => this.#look(), NAMESPACE_SCAN_MS);
  }

  /** The ring holds what comes meanwhile, so that the first drop has its place named too. */
  async #begin(): Promise<void> {
    try {
      // After `start` has resolved: there are 5 MB to read.
      await new Promise((resolve) => setImmediate(resolve));
      this.#functions.load();
    } catch (error) {
      this.#options.onWarning?.(`drops have no place: ${String(error)}`);
    }
    this.#drain?.start();
    this.#schedule?.start();
  }

  async stop(): Promise<void> {
    // What is in the ring is judged by the kernel's symbols: have them first.
    await this.#beginning;
    if (this.#stopped) {
      return;
    }
    this.#schedule?.stop();
    // Detach first, then take what is still in the ring.
    this.#tracer?.detach();
    if (this.#scanTimer !== null) {
      clearInterval(this.#scanTimer);
    }
    this.#names?.stop();
    if (this.#soon !== null) {
      clearImmediate(this.#soon);
    }
    this.#directory.close();
    this.#drain?.stop();
    this.#counting?.stop();
    this.#stopped = true;
    this.#finalOwn = this.own();
    this.#finalLosses = this.losses();
    this.#sink?.end();
    this.#ring?.close();
    this.#tracer?.dispose();
  }

  #newCounting(sink: SourceSink): FlowCounting {
    const beside = (name: string): string => join(dirname(this.#options.objectFile), name);
    return new FlowCounting({
      objects: { tcx: beside('counter.bpf.o'), packet: beside('counter-packet.bpf.o') },
      epoch: new Epoch(this.epochNs),
      namespaces: () => this.#namespaces.values(),
      onCount: (row) => sink.count?.(row),
      onWarning: (message) => this.#options.onWarning?.(message),
    });
  }

  get #ringBytes(): number {
    return this.#options.ringBytes ?? RING_BYTES;
  }

  #counter(index: number): bigint {
    const map = this.#tracer?.map('counters');
    return map === undefined ? 0n : sumOfCpus(map, index);
  }

  #attach(): void {
    const tracer = new Tracer({
      objectFile: this.#options.objectFile,
      ownPort: this.ownPort,
      limited: this.#options.netns != null,
      hooks: this.#options.hooks,
      ringBytes: this.#ringBytes,
      ...(this.#sampling.mode === 'one-in' ? { oneIn: this.#sampling.oneIn } : {}),
    });
    tracer.attach(this.#namespaces);
    this.#tracer = tracer;
    const events = tracer.map('events');
    const ring = events === undefined ? null : new RingBuffer(events);
    this.#ring = ring;
    if (ring !== null && this.#sink !== null) {
      const drain = new RingDrain({
        ring,
        flush: () => tracer.flush(),
        now: () => process.hrtime.bigint(),
        sink: this.#watched(this.#sink),
        onWaiting: (bytes) => this.#schedule?.watch(bytes),
      });
      this.#drain = drain;
      if (this.#governor !== null) {
        this.#schedule = scheduleOf(this.#governor, {
          ...{ tracer, ring, ringBytes: this.#ringBytes, drain },
          namespaces: () => this.#namespaces,
          onWindow: (at, isOpen) => this.#changeWindow(at, isOpen),
          onWarning: (message) => this.#options.onWarning?.(message),
          onMode: (mode) => this.#options.onMode?.(mode),
        });
      }
    }
  }

  #changeWindow(at: bigint, isOpen: boolean): void {
    this.#closedSince = isOpen ? null : at;
    this.#onlyDrops = false;
    this.#sink?.window?.(at, isOpen);
  }

  /**
   * What comes while only drops can come is something wrong: worth a window, unless it has been
   * going on. More windows would show no more of it.
   */
  #watched(sink: SourceSink): SourceSink {
    let hasDrops = false;
    let lastDrops = 0n;
    return {
      batch: (records, length) => {
        sink.batch(records, length);
        hasDrops ||= this.#onlyDrops;
      },
      tick: (now) => {
        sink.tick(now);
        this.#counting?.read();
        // Now that all is dealt with: a window is short, and time counts in it.
        if (hasDrops && now - lastDrops >= DROPS_ANEW_NS) this.#schedule?.request();
        if (hasDrops) lastDrops = now;
        hasDrops = false;
        this.#onlyDrops = this.#closedSince !== null && now >= this.#closedSince;
      },
      catalog: (catalog) => sink.catalog(catalog),
      end: () => sink.end(),
    };
  }

  /** A name came or went: what comes with it, or before, is looked at once. */
  #lookSoon(): void {
    this.#soon ??= setImmediate(() => {
      this.#soon = null;
      this.#look();
    });
  }

  /** Follows namespaces and their hooks at once, and their names when that is due. */
  #look(): void {
    const tracer = this.#tracer;
    if (this.#stopped || tracer === null) {
      return;
    }
    try {
      this.#directory.watch();
      const found = this.#observed.scan();
      const changed = !sameNamespaces(this.#namespaces, found);
      this.#namespaces = found;
      tracer.update(found);
      tracer.renew(found);
      this.#functions.refresh();
      if (changed) {
        this.#names?.changed();
        this.#counting?.changed();
      }
    } catch (error) {
      this.#options.onWarning?.(`looking for namespaces: ${String(error)}`);
    }
    this.#names?.look();
  }
}
