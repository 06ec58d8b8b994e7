import { flowRecord } from './export/flow-record.js';
import { pathRecord } from './export/path-record.js';
import type { PacketFilter } from './filter/packet-filter.js';
import type { FinishedPath } from './flow/finished-path.js';
import type { Flow } from './flow/flow.js';
import { FlowTable } from './flow/flow-table.js';
import { PathJoiner } from './join/path-joiner.js';
import type { FlowFeed, NamespaceRecord, QualityRecord } from './model/feed.js';
import type { FlowRecord, PathRecord } from './model/records.js';
import type { Catalog } from './name/catalog.js';
import { Names } from './name/names.js';
import { packetErrorName } from './packet/packet-error.js';
import type { Source, SourceSink } from './source/source.js';
import { Epoch } from './wire/clock.js';
import { RecordCursor } from './wire/record-cursor.js';

/** How often finished paths are looked for, nanoseconds of the source's time. */
const SWEEP_NS = 20e6;
const AGE_NS = 1e9;
/** Drop reasons that mean "larger than the MTU" (include/net/dropreason-core.h). */
const TOO_BIG_REASONS = new Set(['PKT_TOO_BIG']);

export interface PipelineOptions {
  readonly filter?: PacketFilter | null;
  /** Of N packets one is shown by `onPath`; counts take all. */
  readonly sampleOneIn?: number;
  /** Whether some namespaces are left out on purpose. */
  readonly limited?: boolean;
  readonly flowLimit?: number;
  readonly onPath?: (finished: FinishedPath) => void;
  readonly onFlowEnd?: (flow: Flow) => void;
  readonly onEnd?: () => void;
  /** Sees everything the source gives before the pipeline does. */
  readonly tap?: SourceSink;
}

/**
 * The whole graph, wired: source → wire → packet → join → flow → readers. It is
 * the only place where the stages meet.
 */
export class Pipeline implements FlowFeed, SourceSink {
  readonly epoch: Epoch;
  readonly names: Names;
  readonly flows: FlowTable;
  readonly joiner: PathJoiner;
  readonly #source: Source;
  readonly #options: PipelineOptions;
  /** What else this machine lacks, for `quality`; added to what the source lacks. */
  missing: readonly string[] = [];
  readonly #cursor: RecordCursor;
  #sampled = 0;
  #lastSweep = 0;
  #lastAge = 0;
  #rate = { events: 0, at: 0, cpu: process.cpuUsage(), eventsPerSecond: 0, cpuShare: 0 };

  constructor(source: Source, options: PipelineOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.epoch = new Epoch(source.epochNs);
    this.names = new Names(source.catalog, (address) => source.symbol(address));
    this.#cursor = new RecordCursor(this.epoch);
    this.joiner = new PathJoiner((path) => this.#finish(this.flows.add(path)), {
      filter: options.filter ?? null,
      reasonName: (reason) => this.names.reason(reason),
      symbol: (address) => source.symbol(address),
    });
    this.flows = new FlowTable(this.joiner.tuples, {
      limited: options.limited ?? false,
      isTooBig: (reason) => TOO_BIG_REASONS.has(this.names.reason(reason)),
      ...(options.flowLimit === undefined ? {} : { limit: options.flowLimit }),
      ...(options.onFlowEnd === undefined ? {} : { onRemove: options.onFlowEnd }),
    });
  }

  start(): Promise<void> {
    return this.#source.start(this);
  }

  stop(): Promise<void> {
    return this.#source.stop();
  }

  batch(records: Uint8Array, length: number): void {
    this.#options.tap?.batch(records, length);
    const cursor = this.#cursor;
    cursor.borrow(records, length);
    while (cursor.next()) {
      this.joiner.add(cursor);
    }
  }

  tick(now: bigint): void {
    this.#options.tap?.tick(now);
    const time = this.epoch.since(now);
    if (time - this.#lastSweep >= SWEEP_NS) {
      this.#lastSweep = time;
      this.joiner.sweep(time);
    }
    if (time - this.#lastAge >= AGE_NS) {
      // Where more flows are due than it looks at in one call, the next tick goes on.
      this.#lastAge = this.flows.age(time) ? time - AGE_NS : time;
    }
  }

  catalog(catalog: Catalog): void {
    this.#options.tap?.catalog(catalog);
    this.names.update(catalog);
  }

  end(): void {
    this.#options.tap?.end();
    this.joiner.flush();
    this.#options.onEnd?.();
  }

  pathRecord(finished: FinishedPath): PathRecord {
    return pathRecord(finished, this.names, this.epoch);
  }

  flowRecord(flow: Flow, state?: string): FlowRecord {
    return flowRecord(flow, this.names, this.epoch, state);
  }

  changedSince(cursor: number): {
    cursor: number;
    flows: readonly FlowRecord[];
    removed: readonly string[];
  } {
    const removed = this.flows.removedSince(cursor);
    const changed = this.flows.changedSince(removed === null ? 0 : cursor);
    return {
      cursor: this.flows.version,
      flows: changed.map((flow) => this.flowRecord(flow)),
      removed: removed ?? [],
    };
  }

  flow(id: string): FlowRecord | null {
    const flow = this.flows.get(id);
    return flow === undefined ? null : this.flowRecord(flow);
  }

  recentPaths(flowId: string, limit: number): readonly PathRecord[] {
    const flow = this.flows.get(flowId);
    return (flow === undefined ? [] : this.flows.recentPaths(flow))
      .slice(-limit)
      .reverse()
      .map((finished) => this.pathRecord(finished));
  }

  quality(): QualityRecord {
    this.#measure();
    const { joiner, flows } = this;
    const evicted =
      joiner.counters.evicted +
      joiner.counters.hopsCut +
      joiner.superPacketsRefused +
      joiner.devices.evicted +
      joiner.tuples.refused +
      joiner.relays.forgotten +
      flows.counters.evicted +
      flows.counters.keysRefused +
      flows.counters.legsRefused +
      flows.counters.encapsulationsRefused +
      flows.counters.reasonsRefused +
      flows.counters.proxiedRefused +
      flows.counters.pointsRefused;
    const malformed = Object.entries({
      ...this.#cursor.malformed,
      ...Object.fromEntries(
        [...joiner.counters.malformed].map(([error, count]) => [packetErrorName(error), count]),
      ),
    }).filter(([, count]) => count > 0);
    return {
      eventsPerSecond: this.#rate.eventsPerSecond,
      events: String(joiner.counters.events),
      lost: String(this.#source.lost()),
      evicted: String(evicted),
      shed: '0',
      malformed: Object.fromEntries(malformed.map(([code, count]) => [code, String(count)])),
      cpu: this.#rate.cpuShare,
      openPaths: joiner.openPaths,
      flows: flows.size,
      missing: [...this.#source.missing, ...this.missing],
    };
  }

  namespaces(): readonly NamespaceRecord[] {
    return this.names.catalog.namespaces.map(({ name, node, inode }) => ({ name, node, inode }));
  }

  /** Rates over the time since the last measurement, at least half a second. */
  #measure(): void {
    const now = performance.now();
    const rate = this.#rate;
    const elapsed = now - rate.at;
    if (elapsed < 500) {
      return;
    }
    const events = this.joiner.counters.events;
    const cpu = process.cpuUsage();
    const used = cpu.user + cpu.system - rate.cpu.user - rate.cpu.system;
    this.#rate = {
      events,
      at: now,
      cpu,
      eventsPerSecond: rate.at === 0 ? 0 : Math.round(((events - rate.events) * 1000) / elapsed),
      cpuShare: rate.at === 0 ? 0 : used / 1000 / elapsed,
    };
  }

  #finish(finished: FinishedPath): void {
    const onPath = this.#options.onPath;
    if (onPath === undefined) {
      return;
    }
    this.#sampled += 1;
    if (this.#sampled % (this.#options.sampleOneIn ?? 1) === 0) {
      onPath(finished);
    }
  }
}
