import type {
  FlowHistoryRecord,
  FlowRecord,
  MemoryUse,
  PathRecord,
  QualityRecord,
  SamplingRecord,
  Seen,
} from 'hopscope-protocol';
import { type FlowRecordOptions, flowRecord } from './export/flow-record.js';
import { historyRecord } from './export/history-record.js';
import { pathId, pathRecord } from './export/path-record.js';
import type { PacketFilter } from './filter/packet-filter.js';
import { REMOVED_BYTES } from './flow/change-log.js';
import { countedOf } from './flow/counted-row.js';
import { dropMeaning } from './flow/drop-meaning.js';
import type { FinishedPath } from './flow/finished-path.js';
import type { Flow } from './flow/flow.js';
import { FlowTable } from './flow/flow-table.js';
import { PathJoiner } from './join/path-joiner.js';
import { decimalCounts } from './model/decimal-counts.js';
import type { FlowFeed, NamespaceRecord, RecentPath } from './model/feed.js';
import { type MemoryBudget, shareOut } from './model/memory-budget.js';
import type { Catalog } from './name/catalog.js';
import type { NameChange } from './name/cluster-names.js';
import { Names } from './name/names.js';
import { packetErrorName } from './packet/packet-error.js';
import { Joining } from './pipeline-joining.js';
import { lossesOf } from './pipeline-losses.js';
import { MtuReporting } from './pipeline-mtu.js';
import { PipelineRate } from './pipeline-rate.js';
import { RuleReading, type ToExplain, toExplain } from './pipeline-rules.js';
import type { RulesNews } from './rules/rule-text.js';
import type { HookDetail } from './source/hook-places.js';
import type { Source, SourceSink } from './source/source.js';
import { Epoch } from './wire/clock.js';
import type { CountCursor } from './wire/count-cursor.js';
import type { RecordCursor } from './wire/record-cursor.js';
import { RecordQueue } from './wire/record-queue.js';

/** How often finished paths are looked for, nanoseconds of the source's time. */
const SWEEP_NS = 20e6;
const EXPIRY_PERIOD_NS = 1e9;
/** Openings and closings of the source that wait for what began before them. */
export const WINDOW_CHANGES_LIMIT = 64;

export interface PipelineOptions {
  readonly filter?: PacketFilter | null;
  /** Of N packets one is shown by `onPath`; counts take all. */
  readonly sampleOneIn?: number;
  /** Whether some namespaces are left out on purpose. */
  readonly namespaceFiltered?: boolean;
  readonly flowLimit?: number;
  /** Whether flows that have ended are kept for readers for a while. */
  readonly keepEnded?: boolean;
  /** What it may keep in memory; MEMORY_DEFAULT shared out when absent. */
  readonly memory?: MemoryBudget;
  readonly onPath?: (finished: FinishedPath) => void;
  readonly onFlowEnd?: (flow: Flow) => void;
  readonly onEnd?: () => void;
  /** Gets the first error of hopscope's own for which a record could not be joined. */
  readonly onFailure?: (error: unknown) => void;
  /** As in SourceSink. */
  readonly passedOn?: () => Promise<void>;
  /** Sees everything the source gives before the pipeline does. */
  readonly tap?: SourceSink;
}

interface WindowChange {
  readonly at: number;
  /** Null: as it was. */
  readonly sees: Seen | null;
  readonly atEdges: boolean;
}

/**
 * The whole graph, wired: source → wire → packet → join → flow → readers. It is
 * the only place where the stages meet.
 */
export class Pipeline implements FlowFeed, SourceSink {
  readonly epoch: Epoch;
  readonly names: Names;
  readonly flows: FlowTable;
  /** What rules were in force when. */
  readonly ruleReading: RuleReading;
  readonly joiner: PathJoiner;
  readonly mtu: FlowFeed['mtu'];
  readonly passedOn: () => Promise<void>;
  readonly #source: Source;
  readonly #options: PipelineOptions;
  /** What else this machine lacks, for `quality`; added to what the source lacks. */
  missing: readonly string[] = [];
  readonly #queue: RecordQueue;
  readonly #joining: Joining;
  readonly #memory: MemoryBudget;
  /** Trails whose rest could not be read, and counts of no IP, by error code. */
  readonly #damaged = new Map<string, number>();
  /** Records that the joiner failed on: a fault of its own, which must stop nothing else. */
  #failed = 0;
  #sampled = 0;
  readonly #windows: WindowChange[] = [];
  #lastSweep = 0;
  #lastExpiry = 0;
  #drained = 0n;
  readonly #rate = new PipelineRate();

  constructor(source: Source, options: PipelineOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.epoch = new Epoch(source.epochNs);
    this.ruleReading = new RuleReading(this.epoch, source.hasRules ?? false, (netns) =>
      this.names.netns(netns, 0),
    );
    this.passedOn = options.passedOn ?? (() => Promise.resolve());
    this.names = new Names(source.catalog, (address) => source.symbol(address));
    const memory = options.memory ?? shareOut();
    this.#memory = memory;
    this.#queue = new RecordQueue(this.epoch, memory.recordQueue);
    this.joiner = new PathJoiner((path) => this.#finish(this.flows.add(path)), {
      filter: options.filter ?? null,
      openPathBytes: memory.openPaths,
      tupleBytes: memory.tuples,
      isThinned: source.isThinned ?? false,
      names: {
        reason: (reason) => this.names.reason(reason),
        symbol: (address) => source.symbol(address),
      },
      onDevice: (netns) => source.met?.(netns),
      onMalformedTrail: (code) => this.#refuse(code),
    });
    this.flows = new FlowTable(this.joiner.tuples, {
      namespaceFiltered: options.namespaceFiltered ?? false,
      limitBytes: memory.flows,
      recentBytes: memory.recentPaths,
      removedLimit: Math.floor(memory.changeLog / REMOVED_BYTES),
      meaningOf: (reason) => dropMeaning(this.names.reason(reason)),
      onRelease: (path) => this.joiner.release(path),
      ...(options.flowLimit === undefined ? {} : { limit: options.flowLimit }),
      ...(options.keepEnded === true ? { ended: {} } : {}),
      ...(options.onFlowEnd === undefined ? {} : { onRemove: options.onFlowEnd }),
    });
    this.#joining = new Joining(this.#queue, this.joiner, this.#joinRecord);
    const mtu = new MtuReporting(this.flows, (flow) => this.flowRecord(flow));
    this.mtu = () => mtu.report(source.configuredMtu ?? null);
    // A filter, and namespaces left out, keep packets from being traced: none of them is lost.
    const isWhole = options.filter == null && options.namespaceFiltered !== true;
    this.flows.sampling = isWhole && source.sampling?.()?.mode === 'all' ? 'all' : 'part';
  }

  start(): Promise<void> {
    return this.#source.start(this);
  }

  stop(): Promise<void> {
    return this.#source.stop();
  }

  batch(records: Uint8Array, length: number): void {
    this.#options.tap?.batch(records, length);
    this.#queue.add(records, length);
    this.#queue.hurry(this.#joinRecord);
  }

  /** Up to when all has been taken from the source, kernel monotonic ns; it grows while the drain lives. */
  get drained(): bigint {
    return this.#drained;
  }

  advance(now: bigint, relieve?: () => void): boolean {
    const next = this.#windows[0]?.at ?? Number.POSITIVE_INFINITY;
    return this.#joining.advance(Math.min(next, this.epoch.since(now)), relieve);
  }

  /** All that began before `now` has come. */
  tick(now: bigint, relieve?: () => void): void {
    const time = this.epoch.since(now);
    if (this.#drained === 0n) this.flows.tracedSince = time;
    this.#drained = now;
    this.#options.tap?.tick(now);
    while ((this.#windows[0]?.at ?? Number.POSITIVE_INFINITY) <= time) this.#changeWindow();
    this.#joining.release(time, relieve);
    if (time - this.#lastSweep >= SWEEP_NS) {
      this.#lastSweep = time;
      this.joiner.sweep(time);
    }
    if (time - this.#lastExpiry >= EXPIRY_PERIOD_NS) {
      // Where more flows are due than it looks at in one call, the next tick goes on.
      this.#lastExpiry = this.flows.expireIdle(time) ? time - EXPIRY_PERIOD_NS : time;
    }
  }

  count(row: CountCursor): void {
    this.#options.tap?.count?.(row);
    if (row.family !== 4 && row.family !== 6) {
      this.#refuse('WIRE_COUNT_FAMILY');
      return;
    }
    const counted = countedOf(row, this.joiner.tuples);
    if (counted !== null) this.flows.count(counted);
  }

  window(at: bigint, sees: Seen, detail: HookDetail): void {
    this.#options.tap?.window?.(at, sees, detail);
    this.#changeAt(at, sees, detail);
  }

  detail(at: bigint, detail: HookDetail): void {
    this.#options.tap?.detail?.(at, detail);
    this.#changeAt(at, null, detail);
  }

  /** Asks the source to see everything for a moment: a flow is watched, or something is new. */
  request(): void {
    this.#source.request?.();
  }

  rules(news: RulesNews): void {
    this.#options.tap?.rules?.(news);
    this.ruleReading.add(news);
  }

  catalog(catalog: Catalog): void {
    this.#options.tap?.catalog(catalog);
    this.names.update(catalog);
  }

  clusterNames(change: NameChange): void {
    this.#options.tap?.clusterNames?.(change);
    this.names.cluster.change(change);
  }

  end(): void {
    this.#options.tap?.end();
    while (this.#windows.length > 0) this.#changeWindow();
    this.#queue.flush(this.#joinRecord);
    this.joiner.flush();
    this.#options.onEnd?.();
  }

  /** With the rules that it met, as far as they are known by now. */
  pathRecord(finished: FinishedPath): PathRecord {
    return this.ruleReading.explained(this.toExplain(finished));
  }

  /** For a reader that waits until the rules are known for the path's time. */
  toExplain(finished: FinishedPath): ToExplain {
    const record = pathRecord(finished, this.names, this.epoch);
    return toExplain(finished.path, record, this.names, this.#source.hasRules === true);
  }

  flowRecord(flow: Flow, options: FlowRecordOptions = {}): FlowRecord {
    return flowRecord(flow, this.names, this.epoch, options);
  }

  flow(id: string, withOctaves = false): FlowRecord | null {
    const flow = this.flows.get(id);
    return flow === undefined ? null : this.flowRecord(flow, { withOctaves });
  }

  recentPaths(flowId: string, limit: number): readonly RecentPath[] {
    const flow = this.flows.get(flowId);
    return (flow === undefined ? [] : this.flows.recentPaths(flow))
      .slice(-limit)
      .reverse()
      .map((finished) => ({
        id: pathId(finished.path),
        record: () => this.pathRecord(finished),
      }));
  }

  history(id: string): FlowHistoryRecord | null {
    const flow = this.flows.get(id);
    const history = flow === undefined ? null : this.flows.historyOf(flow);
    return history === null ? null : historyRecord(history, this.names, this.epoch);
  }

  quality(): QualityRecord {
    const { joiner, flows } = this;
    this.#rate.measure(joiner.counters.hops + joiner.counters.events);
    const { evictions, others } = lossesOf(joiner, flows, this.#queue, this.ruleReading.counters);
    const malformed = Object.entries({
      ...this.#queue.malformed,
      ...Object.fromEntries(this.#damaged),
      JOIN_FAILED: this.#failed,
      ...Object.fromEntries(
        [...joiner.counters.malformed].map(([error, count]) => [packetErrorName(error), count]),
      ),
    }).filter(([, count]) => count > 0);
    const handed = this.#source.handed?.();
    const filtered = this.#source.filtered?.();
    const nameAges = this.#source.nameAges?.();
    return {
      eventsPerSecond: this.#rate.eventsPerSecond,
      events: String(joiner.counters.hops + joiner.counters.events),
      lost: String(this.#source.lost()),
      evicted: String(Object.values(evictions).reduce((sum, count) => sum + count, 0)),
      skipped: '0',
      losses: {
        ...decimalCounts(Object.entries(this.#source.losses())),
        ...decimalCounts(Object.entries(this.#source.otherLosses?.() ?? {})),
        ...decimalCounts(Object.entries(evictions)),
        ...decimalCounts(Object.entries(others)),
        ...decimalCounts([['cluster-names-refused', this.names.cluster.refused]]),
      },
      memory: this.#memoryUse(),
      malformed: decimalCounts(malformed),
      cpu: this.#rate.cpuShare,
      openPaths: joiner.openPaths,
      flows: flows.size,
      ...(handed === undefined
        ? {}
        : { handed: { records: String(handed.records), bytes: String(handed.bytes) } }),
      ...(this.#options.filter == null || filtered === undefined
        ? {}
        : { filtered: String(filtered) }),
      ringFill: this.#source.ringFill?.() ?? null,
      ...(nameAges === undefined ? {} : { nameAges }),
      missing: [...this.#source.missing, ...this.missing, ...this.ruleReading.missing],
      sampling: this.#sampling(),
    };
  }

  /** What each part takes, by estimate, and its share. */
  #memoryUse(): Readonly<Record<string, MemoryUse>> {
    const { joiner, flows } = this;
    return {
      ...flows.memory,
      recordQueue: { bytes: this.#queue.memory, limit: this.#queue.limit },
      openPaths: joiner.openPathBytes,
      tuples: { bytes: joiner.tuples.bytes, limit: this.#memory.tuples },
      names: this.names.cluster.memory,
    };
  }

  #sampling(): SamplingRecord | null {
    const sampling = this.#source.sampling?.() ?? null;
    if (sampling === null) return null;
    const { paths, cutByWindow } = this.joiner.counters;
    const counted = this.#source.counted?.() ?? null;
    const of = counted === null ? null : String(counted);
    return { ...sampling, traced: String(paths - cutByWindow), of };
  }

  namespaces(): readonly NamespaceRecord[] {
    return this.names.catalog.namespaces.map(({ name, node, inode }) => ({ name, node, inode }));
  }

  #refuse(code: string): void {
    this.#damaged.set(code, (this.#damaged.get(code) ?? 0) + 1);
  }

  #changeAt(at: bigint, sees: Seen | null, detail: HookDetail): void {
    if (this.#windows.length >= WINDOW_CHANGES_LIMIT) this.#changeWindow();
    this.#windows.push({ at: this.epoch.since(at), sees, atEdges: detail === 'edges' });
  }

  /** The oldest change of those that wait, between what began before and after it. */
  #changeWindow(): void {
    const change = this.#windows.shift();
    if (change === undefined) return;
    this.#queue.release(change.at, this.#joinRecord);
    if (change.sees === null) this.joiner.detail(change.atEdges);
    else this.joiner.window(change.at, change.sees, change.atEdges);
  }

  readonly #joinRecord = (record: RecordCursor): void => {
    try {
      this.joiner.add(record);
    } catch (error) {
      this.#failed += 1;
      if (this.#failed === 1) {
        this.#options.onFailure?.(error);
      }
    }
  };

  #finish(finished: FinishedPath): void {
    const { onPath, sampleOneIn = 1 } = this.#options;
    if (onPath === undefined) return;
    this.#sampled += 1;
    if (this.#sampled % sampleOneIn === 0) onPath(finished);
  }
}
