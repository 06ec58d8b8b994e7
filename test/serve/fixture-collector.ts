import {
  compareKeys,
  type FlowRecord,
  matchesFilter,
  PATHS_PER_FLOW,
  PATHS_PER_MESSAGE,
  parseFilter,
  ROW_KEYS,
  type RowKey,
  type RowOrder,
  TICK_MS,
} from 'hopscope-protocol';
import type {
  FirstFlows,
  FlowDetail,
  FlowsPart,
  PagePosition,
} from '../../src/serve/channel-messages.js';
import type { Collector } from '../../src/serve/collector.js';
import { flowRow } from '../../src/serve/flow-row.js';
import type { RowBatch, RowUpdate } from '../../src/serve/row-reader.js';
import { RowTable } from '../../src/serve/row-table.js';
import { FIXTURE_EPOCH, type FixtureFeed } from './fixture-feed.js';

export function rowUpdate(flow: FlowRecord, old = false): RowUpdate {
  return {
    row: flowRow(flow),
    old,
    startNs: Number(BigInt(flow.start) - FIXTURE_EPOCH),
    by: { began: Number(BigInt(flow.start) / 1_000_000n), netns: [null, null] },
    packets: [Number(flow.packets.original), Number(flow.packets.reply)],
    bytes: [Number(flow.bytes.original), Number(flow.bytes.reply)],
  };
}

/** Stands where the channel to a collector is: gives what a test put into a feed. */
export class FixtureCollector implements Collector {
  readonly table = new RowTable();
  /** Answers are given when the test says so. */
  held: (() => void)[] | null = null;
  /** Questions for groups so far. */
  grouped = 0;
  /** Questions for flows so far. */
  asked = 0;
  readonly #feed: FixtureFeed;
  #cursor = 0;
  #timer: NodeJS.Timeout | null = null;
  #onBatch: () => void = () => undefined;

  constructor(feed: FixtureFeed) {
    this.#feed = feed;
  }

  get status(): Collector['status'] {
    return {
      quality: this.#feed.quality(),
      load: {
        residentBytes: 1e6,
        heapUsedBytes: 1e5,
        heapTotalBytes: 2e5,
        externalBytes: 1e4,
        delayP50: 0.001,
        delayP99: 0.002,
        delayMax: 0.003,
        gc: {
          minor: { count: 3, seconds: 0.01 },
          major: { count: 1, seconds: 0.02 },
          incremental: { count: 0, seconds: 0 },
          weakcb: { count: 0, seconds: 0 },
        },
      },
      channel: {
        ticksSkipped: 1,
        questionsLate: 2,
        catalogsRefused: 0,
        restarts: 3,
        rowsSkipped: 4,
        rowsRestarted: 0,
        logLinesLost: 5,
      },
    };
  }

  newest(): bigint {
    return FIXTURE_EPOCH + BigInt(this.table.newestNs);
  }

  watch(watching: boolean): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.table.clear();
    if (!watching) return;
    this.#cursor = 0;
    setTimeout(() => this.#send(), 0);
    this.#timer = setInterval(() => this.#send(), TICK_MS);
    this.#timer.unref();
  }

  onBatch(listener: () => void): void {
    this.#onBatch = listener;
  }

  async flow(id: string, have: readonly string[]): Promise<FlowDetail> {
    await this.#turn();
    const flow = this.#feed.flow(id);
    const recent = flow === null ? [] : this.#feed.recentPaths(id, PATHS_PER_FLOW);
    return {
      flow,
      chain: [],
      pathIds: recent.map((path) => path.id),
      paths: recent
        .filter((path) => !have.includes(path.id))
        .slice(0, PATHS_PER_MESSAGE)
        .map((path) => path.record()),
    };
  }

  async flows(from: PagePosition | null, limit: number, filter: string): Promise<FlowsPart> {
    await this.#turn();
    const all = this.#matching(filter).filter(({ at }) => at < (from?.before ?? Infinity));
    const part = all.slice(0, limit);
    const last = part.at(-1);
    return {
      records: part.map(({ flow }) => flow),
      next: all.length > part.length && last ? { before: last.at, id: last.flow.id } : null,
      total: this.#feed.quality().flows,
    };
  }

  async first(filter: string, order: RowOrder, limit: number): Promise<FirstFlows> {
    await this.#turn();
    const key = ({ flow }: { flow: FlowRecord }): RowKey => ROW_KEYS[order.column](flowRow(flow));
    const found = [...this.#matching(filter)].sort((a, b) =>
      compareKeys(key(a), key(b), order.descending),
    );
    const total = this.#feed.quality().flows;
    return { ids: found.slice(0, limit).map(({ flow }) => flow.id), looked: total, total };
  }

  async records(ids: readonly string[]): Promise<readonly FlowRecord[]> {
    await this.#turn();
    return ids.flatMap((id) => this.#feed.flow(id) ?? []);
  }

  #matching(filter: string): ReturnType<FixtureFeed['newestFirst']> {
    const parsed = parseFilter(filter);
    return this.#feed.newestFirst().filter(({ flow }) => matchesFilter(flowRow(flow), parsed, 0));
  }

  history(id: string): ReturnType<Collector['history']> {
    return Promise.resolve(this.#feed.history(id));
  }

  groups(): ReturnType<Collector['groups']> {
    this.grouped += 1;
    const answer = { groups: [], other: null, flows: 0, total: 0 };
    // Two parts, so that both are asked for.
    const isWhole = this.grouped % 2 === 0;
    return Promise.resolve({ groups: isWhole ? answer : null, isWhole });
  }

  async namespaces(): ReturnType<Collector['namespaces']> {
    await this.#turn();
    return this.#feed.namespaces();
  }

  async mtu(): ReturnType<Collector['mtu']> {
    await this.#turn();
    return this.#feed.mtu();
  }

  #turn(): Promise<void> {
    this.asked += 1;
    return new Promise((resolve) => {
      if (this.held === null) setTimeout(resolve, 0);
      else this.held.push(resolve);
    });
  }

  #send(): void {
    const { cursor, flows, removed } = this.#feed.changedSince(this.#cursor);
    const newest = flows.map(({ last }) => Number(BigInt(last) - FIXTURE_EPOCH));
    const batch: RowBatch = {
      updates: flows.map((flow) => rowUpdate(flow)),
      removed,
      total: this.#feed.quality().flows,
      ended: 0,
      behind: 0,
      reset: this.#cursor === 0,
      timeMs: performance.now(),
      newestNs: Math.max(this.table.newestNs, ...newest),
    };
    this.#cursor = cursor;
    this.table.apply(batch);
    this.#onBatch();
  }
}
