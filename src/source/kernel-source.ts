import { RingBuffer } from 'ebpf-ts';
import type { Seen } from 'hopscope-protocol';
import { SAMPLE_ALL, type Sampling } from '../model/sampling.js';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import { RuleNames } from '../provide/rule-names.js';
import { Epoch } from '../wire/clock.js';
import { CatalogFollower } from './catalog-follower.js';
import { CatalogReader } from './catalog-reader.js';
import { countObjectsBeside } from './count-instrument.js';
import { DetailFollower } from './detail-follower.js';
import { attachTracer } from './filtered-tracer.js';
import { FlowCounting } from './flow-counting.js';
import { Governor } from './governor.js';
import type { HookDetail } from './hook-places.js';
import type { HookInstrument } from './hook-programs.js';
import { CountReader, countsOf } from './kernel-counters.js';
import { functionObjectBeside, KernelFunctionLookup } from './kernel-function-lookup.js';
import { KernelFunctions } from './kernel-functions.js';
import type { KernelSourceOptions } from './kernel-source-options.js';
import { NamespaceFollower } from './namespace-follower.js';
import { newsObjectBeside } from './namespace-news.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { RingDrain } from './ring-drain.js';
import { RingReader } from './ring-reader.js';
import { RulesFollower } from './rules-follower.js';
import type { HandedOver, Source, SourceSampling, SourceSink } from './source.js';
import { samplingOf } from './source-sampling.js';
import type { Tracer } from './tracer.js';
import { kernelDropReasons, RING_BYTES } from './tracer-object.js';
import { dropsOf, scheduleOf, trailsOf } from './tracer-schedule.js';
import { roomOf } from './tracing-gate.js';
import type { TracingSchedule } from './tracing-schedule.js';

/** Drops after so long without one. */
const DROPS_ANEW_NS = 1_000_000_000n;

/** The running kernel. */
export class KernelSource implements Source {
  readonly epochNs: bigint;
  /**
   * Port whose loopback traffic is left out; 0 for none. Set it before `start`. One that is
   * not known yet is asked for when there is a processor to spare, and waited for when all
   * else is ready; `start` fails as it does.
   */
  ownPort: number | (() => Promise<number>) = 0;
  readonly #options: KernelSourceOptions;
  readonly #ringBytes: number;
  /** Called with each function that drops come from, as it is resolved. */
  onSymbol: (address: bigint, name: string) => void = () => undefined;
  readonly #following: NamespaceFollower;
  readonly #functions = new KernelFunctions({
    onResolved: (address, name) => this.onSymbol(address, name),
    onWarning: (message) => this.#options.onWarning?.(message),
  });
  #tracer: Tracer | null = null;
  #ring: RingBuffer | null = null;
  #names: CatalogFollower | null = null;
  #rules: RulesFollower | null = null;
  #sink: SourceSink | null = null;
  #drain: RingDrain | null = null;
  readonly #sampling: Sampling;
  readonly #governor: Governor | null;
  #schedule: TracingSchedule | null = null;
  #detail: DetailFollower | null = null;
  #counting: FlowCounting | null = null;
  /** Drops between windows, as of the last look. */
  #drops = 0;
  #lastDrops = 0n;
  /** What the kernel counted by the end; it forgets it then. */
  readonly #kernelCounts = new CountReader(() => countsOf(this.#tracer));
  #stopped = false;
  #stopping: Promise<void> | null = null;
  #beginning: Promise<void> = Promise.resolve();

  constructor(options: KernelSourceOptions) {
    this.#options = options;
    this.epochNs = options.epochNs ?? process.hrtime.bigint();
    this.#ringBytes = options.ringBytes ?? RING_BYTES;
    this.#following = new NamespaceFollower({
      wanted: options.netns ?? null,
      newsFile: newsObjectBeside(options.objectFile),
      onLook: (found, changed) => this.#look(found, changed),
      onWarning: (message) => options.onWarning?.(message),
    });
    this.#sampling = options.sampling ?? SAMPLE_ALL;
    this.#governor = this.#sampling.mode === 'auto' ? new Governor(this.#sampling.budget) : null;
  }

  get catalog(): Catalog {
    return this.#names?.catalog ?? EMPTY_CATALOG;
  }

  get hasRules(): boolean {
    return this.#options.rules === true;
  }

  get isThinned(): boolean {
    return this.#sampling.mode === 'one-in';
  }

  /** What sees netfilter hooks; `none` before `start`. */
  get hooks(): HookInstrument {
    return this.#tracer?.hooks ?? 'none';
  }

  get missing(): readonly string[] {
    return [
      ...this.#following.missing,
      ...(this.#tracer?.missing ?? []),
      ...(this.#counting?.missing ?? []),
      ...(this.#names?.missing ?? []),
    ];
  }

  nameAges(): Readonly<Record<string, number | null>> {
    return this.#names?.ages() ?? {};
  }

  lost(): bigint {
    return Object.values(this.losses()).reduce((sum, n) => sum + n, 0n);
  }

  losses(): Readonly<Record<string, bigint>> {
    return this.#kernelCounts.newest().losses;
  }

  otherLosses(): Readonly<Record<string, bigint>> {
    return {
      'drops-alike': this.#kernelCounts.newest().dropsAlike,
      'flow-share-exceeded': this.#kernelCounts.newest().pastShare,
      'ends-missed': this.#kernelCounts.newest().endsMissed,
      ...(this.#options.filter == null
        ? {}
        : { 'filter-marks-evicted': this.#kernelCounts.newest().marksEvicted }),
      ...this.#counting?.losses(),
      'symbols-forgotten': BigInt(this.#functions.forgotten),
    };
  }

  handed(): HandedOver {
    return this.#kernelCounts.newest().handed;
  }

  /** Hops that the filter left out in the kernel. */
  filtered(): bigint {
    return this.#kernelCounts.newest().filtered;
  }

  own(): bigint {
    return this.#kernelCounts.newest().own;
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
    this.#tracer?.setDetail(detail, this.#following.found);
  }

  /** Sees so much from now on. Errors: UnsupportedError. */
  see(sees: Seen): void {
    if (this.#tracer === null || this.#tracer.sees === sees) return;
    const before = process.hrtime.bigint();
    this.#tracer.see(sees);
    this.#changeWindow(sees === 'all' ? process.hrtime.bigint() : before, sees);
  }

  counted(): number | null {
    return this.#counting?.packets ?? null;
  }

  sampling(): SourceSampling {
    return samplingOf(this.#sampling, this.#tracer, this.#governor, this.#schedule);
  }

  /** Whether rules have changed. */
  lookAtRules = (): Promise<void> => this.#rules?.look() ?? Promise.resolve();

  met(netns: number): void {
    this.#following.met(netns);
  }

  request(): void {
    this.#schedule?.request();
    this.#detail?.request();
  }

  /**
   * What takes its time goes on side by side: other processes that read names and devices,
   * loads on other threads, links of the counter. The tracer is attached last, so that
   * whatever is traced is counted too.
   */
  async start(sink: SourceSink): Promise<void> {
    this.#sink = sink;
    this.#following.look();
    if (this.#options.count === true) this.#counting = this.#newCounting(sink);
    const counting = this.#counting?.start();
    let before: Promise<unknown> = Promise.resolve(counting);
    let tracer: Tracer;
    try {
      // Its links take the longest, and no processor: whatever takes one comes after its load.
      await this.#counting?.loaded;
      before = Promise.all([counting, this.#startNames(sink), this.#startRules(sink)]);
      tracer = await this.#attach(before);
    } catch (error) {
      await Promise.all([this.stop(), before.catch(() => undefined)]);
      throw error;
    }
    this.#follow(tracer);
    this.#beginning = this.#begin();
    this.#following.start();
  }

  /** Nobody waits for it. The ring holds what comes until the first drop's place can be named. */
  async #begin(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const objectFile = functionObjectBeside(this.#options.objectFile);
    let lookup: KernelFunctionLookup | null = null;
    await this.#functions.load(async () => {
      lookup = await KernelFunctionLookup.open(objectFile);
      return lookup;
    });
    this.#options.reader?.functions(lookup);
    this.#drain?.start();
    this.#schedule?.start();
    await this.#following.askKernel();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    // What is in the ring is judged by the functions it comes from: have them named.
    await this.#beginning;
    this.#schedule?.stop();
    // Detach first, then take what is still in the ring.
    this.#tracer?.detach();
    this.#following.stop();
    this.#names?.stop();
    await this.#rules?.stop();
    await this.#drain?.stop();
    await this.#counting?.stop();
    this.#stopped = true;
    this.#kernelCounts.end();
    this.#sink?.end();
    this.#functions.close();
    this.#ring?.close();
    this.#tracer?.dispose();
  }

  async #startNames(sink: SourceSink): Promise<void> {
    this.#names = new CatalogFollower(
      new CatalogReader(kernelDropReasons(), [...(this.#options.names ?? []), new RuleNames()]),
      () => this.#following.found.values(),
      (catalog) => sink.catalog(catalog),
      (change) => sink.clusterNames?.(change),
      (message) => this.#options.onWarning?.(message),
    );
    await this.#names.start();
  }

  async #startRules(sink: SourceSink): Promise<void> {
    if (this.#options.rules !== true) return;
    this.#rules = new RulesFollower(
      () => this.#following.found.values(),
      (news) => sink.rules?.(news),
      (message) => this.#options.onWarning?.(message),
    );
    await this.#rules.start();
  }

  #newCounting(sink: SourceSink): FlowCounting {
    return new FlowCounting({
      objects: countObjectsBeside(this.#options.objectFile),
      epoch: new Epoch(this.epochNs),
      namespaces: () => this.#following.found.values(),
      onCount: (row) => sink.count?.(row),
      store: this.#options.store ?? null,
      onWarning: (message) => this.#options.onWarning?.(message),
    });
  }

  #attach(before: Promise<unknown>): Promise<Tracer> {
    const { objectFile, netns, hooks, filter = null } = this.#options;
    const ownPort = typeof this.ownPort === 'number' ? this.ownPort : this.ownPort();
    return attachTracer(
      {
        ...{
          objectFile,
          hooks,
          ownPort,
          namespaceFiltered: netns != null,
          ringBytes: this.#ringBytes,
        },
        ...(this.#governor === null
          ? {}
          : { room: roomOf(this.#governor.fullShare * this.#ringBytes), followsFlows: true }),
        ...(this.#sampling.mode === 'one-in' ? { oneIn: this.#sampling.oneIn } : {}),
      },
      filter,
      this.#following.found,
      before,
      (message) => this.#options.onWarning?.(message),
    );
  }

  #follow(tracer: Tracer): void {
    this.#tracer = tracer;
    const events = tracer.map('events');
    const ring = events === undefined ? null : new RingBuffer(events);
    this.#ring = ring;
    if (events !== undefined && ring !== null && this.#sink !== null) {
      const onWaiting = (bytes: number): void => this.#schedule?.watch(bytes);
      this.#options.reader?.open(events);
      const reader = this.#options.reader ?? new RingReader({ ring, sink: this.#sink, onWaiting });
      const drain = new RingDrain({
        available: () => ring.available(),
        reader,
        flush: () => tracer.flush(),
        finish: () => tracer.finish(),
        isOpen: () => tracer.sees === 'all',
        now: () => process.hrtime.bigint(),
        onWaiting,
        onRead: (now) => this.#afterReading(now),
      });
      this.#drain = drain;
      if (this.#governor === null) {
        this.#detail = new DetailFollower({
          trails: () => trailsOf(tracer),
          now: () => process.hrtime.bigint(),
          setDetail: (detail) => this.setDetail(detail),
          onDetail: (at, detail) => this.#sink?.detail?.(at, detail),
        });
      } else {
        this.#schedule = scheduleOf(this.#governor, {
          ...{ tracer, ring, ringBytes: this.#ringBytes, drain },
          readerCpuMs: () => this.#options.reader?.cpuMs() ?? 0,
          namespaces: () => this.#following.found,
          onWindow: (at, sees) => this.#changeWindow(at, sees),
          onWarning: (message) => this.#options.onWarning?.(message),
          onMode: (mode) => this.#options.onMode?.(mode),
        });
      }
    }
  }

  #changeWindow(at: bigint, sees: Seen): void {
    this.#sink?.window?.(at, sees, this.#tracer?.detail ?? 'all');
  }

  #afterReading(now: bigint): void {
    this.#counting?.read(now);
    if (this.#tracer?.sees === 'all') this.#detail?.look();
    // Now that all is dealt with: a window is short, and time counts in it.
    if (this.#schedule === null) return;
    const hasDrops = this.#hasDropsAnew(now);
    if (this.#counting?.hasNews(now) || hasDrops) this.#schedule.request();
  }

  /** Drops between windows are worth one, unless they have been going on: it shows no more of them. */
  #hasDropsAnew(now: bigint): boolean {
    const drops = dropsOf(this.#tracer);
    if (drops === this.#drops) return false;
    this.#drops = drops;
    const isAnew = now - this.#lastDrops >= DROPS_ANEW_NS;
    this.#lastDrops = now;
    return isAnew;
  }

  /** Follows namespaces and their hooks at once, and their names when that is due. */
  #look(found: ReadonlyMap<number, FoundNamespace>, changed: boolean): void {
    const tracer = this.#tracer;
    if (this.#stopping !== null || tracer === null) return;
    tracer.update(found);
    tracer.reload(found).catch((error: unknown) => {
      this.#options.onWarning?.(`looking for modules: ${String(error)}`);
    });
    if (this.#functions.refresh()) this.#options.reader?.modulesChanged();
    if (changed) {
      this.#names?.changed();
      this.#counting?.changed();
    }
    this.#names?.look();
  }
}
