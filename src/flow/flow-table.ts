import type { MemoryUse, PathVerdict } from 'hopscope-protocol';
import { answers, isReply } from '../join/direction.js';
import { ORIGIN_FIRST_SEEN, type Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import { verdictOf } from '../join/verdict.js';
import { Accounting } from './accounting.js';
import { CountRows } from './count-rows.js';
import { type Counted, CountIntake } from './counted.js';
import { type DirectionIndex, ORIGINAL, opposite, REPLY } from './direction-index.js';
import type { DropMeaning } from './drop-meaning.js';
import type { EndedLimits } from './ended-flows.js';
import type { FinishedPath } from './finished-path.js';
import type { Flow } from './flow.js';
import { SHOWN } from './flow-block.js';
import { type FlowCounters, zeroCounters } from './flow-counters.js';
import type { FlowHistory } from './flow-history.js';
import { FlowStore } from './flow-store.js';
import { IcmpErrors } from './icmp-errors.js';
import { EXPIRY_BATCH } from './idle-expiry.js';
import { Losses } from './losses.js';
import { isLinkControl, Matching } from './matching.js';
import { Merging } from './merging.js';
import { isStartSeen } from './path-start.js';
import { linkProxied } from './proxied.js';
import { RecentPaths } from './recent-paths.js';
import { noteFlags } from './tcp-state.js';
import { conntrackOriginal, firstConntrack, TupleLearning } from './tuple-learning.js';

export interface FlowTableOptions {
  readonly limit?: number;
  readonly limitBytes?: number;
  readonly removedLimit?: number;
  readonly recentLimit?: number;
  readonly recentBytes?: number;
  readonly pointLimit?: number;
  /** What is kept of flows after their end, for readers; absent: nothing. */
  readonly ended?: EndedLimits;
  /** Whether some namespaces are left out of the observation on purpose. */
  readonly namespaceFiltered?: boolean;
  /** What a drop reason says of a packet's size. */
  readonly meaningOf?: (reason: number) => DropMeaning;
  /** A flow has ended by age, or was evicted. */
  readonly onRemove?: (flow: Flow) => void;
  /** A path is kept no longer, nor shown to anybody: its columns may serve another. */
  readonly onRelease?: (path: Path) => void;
}

/** Flows from finished paths and from the kernel's counts. Pure: time is theirs, and what `age` is given. */
export class FlowTable {
  readonly counters: FlowCounters = zeroCounters();
  readonly #tuples: TupleTable;
  readonly #namespaceFiltered: boolean;
  readonly #store: FlowStore;
  readonly #matching: Matching;
  readonly #rows = new CountRows();
  readonly #merging: Merging;
  readonly #learning: TupleLearning;
  readonly #accounting: Accounting;
  readonly #errors: IcmpErrors;
  readonly #counts: CountIntake;
  readonly #losses: Losses;
  readonly #recent: RecentPaths;
  readonly #onRelease: (path: Path) => void;
  /** A path that no flow keeps; the caller may look at it until the next one. */
  #unkept: Path | null = null;
  /** Of the newest record. */
  #now = 0;

  constructor(tuples: TupleTable, options: FlowTableOptions = {}) {
    const { counters } = this;
    const meaningOf = options.meaningOf ?? (() => 'other');
    this.#tuples = tuples;
    this.#namespaceFiltered = options.namespaceFiltered ?? false;
    this.#onRelease = options.onRelease ?? (() => undefined);
    this.#recent = new RecentPaths({
      limit: options.recentLimit,
      limitBytes: options.recentBytes,
      onRelease: this.#onRelease,
    });
    this.#store = new FlowStore(tuples, this.#rows, counters, {
      limit: options.limit,
      limitBytes: options.limitBytes,
      removedLimit: options.removedLimit,
      ended: options.ended,
      onRemove: options.onRemove,
      onEnd: (flow) => this.#losses.forget(flow),
      onRemoved: (flow) => {
        this.#recent.drop(flow);
        this.#losses.forget(flow);
      },
    });
    const { bindings, slots } = this.#store;
    this.#losses = new Losses(slots);
    this.#merging = new Merging(this.#store, this.#rows, tuples);
    this.#matching = new Matching(bindings);
    this.#learning = new TupleLearning(tuples, bindings, this.#merging, counters);
    this.#accounting = new Accounting(counters, this.#learning, meaningOf);
    this.#errors = new IcmpErrors(bindings, counters);
    this.#counts = new CountIntake(
      tuples,
      this.#store,
      this.#rows,
      this.#merging,
      counters,
      options.pointLimit,
    );
  }

  /** Flows that have not ended. */
  get size(): number {
    return this.#store.size;
  }

  /** Flows that have ended and are kept. */
  get ended(): number {
    return this.#store.ended.size;
  }

  /** Of all flows, estimated; recent paths are not among them. */
  get bytes(): number {
    return this.#store.bytes;
  }

  /** What each part of it takes, estimated, and may take. */
  get memory(): Readonly<
    Record<'flows' | 'endedFlows' | 'histories' | 'recentPaths' | 'changeLog', MemoryUse>
  > {
    const { log } = this.#store;
    return {
      flows: { bytes: this.#store.bytes, limit: this.#store.limitBytes },
      endedFlows: { bytes: this.#store.ended.bytes, limit: this.#store.ended.limitBytes },
      histories: {
        bytes: this.#store.histories?.bytes ?? 0,
        limit: this.#store.histories?.limitBytes ?? 0,
      },
      recentPaths: { bytes: this.#recent.bytes, limit: this.#recent.limitBytes },
      changeLog: { bytes: log.byteLength, limit: log.byteLength },
    };
  }

  /** Counts not compared with what was traced, because so many flows were compared already. */
  get countsUnwatched(): number {
    return this.#losses.unwatched;
  }

  get recentBytes(): number {
    return this.#recent.bytes;
  }

  /** What a flow did over time; null where nothing of that is kept. */
  historyOf(flow: Flow): FlowHistory | null {
    return this.#store.histories?.of(flow) ?? null;
  }

  /** Histories given up for others. */
  get historiesEvicted(): number {
    return this.#store.histories?.evicted ?? 0;
  }

  get version(): number {
    return this.#store.log.version;
  }

  /** Whether the tracer shows all packets: then what is counted and not traced is lost. */
  set sampling(sampling: 'all' | 'part') {
    this.#losses.isWatching = sampling === 'all';
  }

  /** When tracing began, ns: of earlier packets of a flow nothing is concluded. */
  set tracedSince(time: number) {
    this.#losses.since = time;
  }

  get(id: string): Flow | undefined {
    return this.#store.get(id);
  }

  /** The flow of a slot; null when the slot is no flow's any more. */
  at(slot: number): Flow | null {
    return this.#store.slots.at(slot);
  }

  /** The flow that changed last, and the one that changed before another. */
  get newest(): Flow | null {
    return this.#store.log.newest;
  }

  /** Slots of flows changed after `version`, the newest change first, at most so many. */
  newestSlots(version: number, most: number): readonly number[] {
    return this.#store.log.newestSlots(version, most);
  }

  /** At most so many slots: of flows that go on, then of ended ones, the newest change first. */
  liveFirst(most: number): readonly number[] {
    const { log } = this.#store;
    const live = log.newestSlots(0, most, false);
    return this.ended === 0 ? live : [...live, ...log.newestSlots(0, most - live.length, true)];
  }

  /** When a reader has shown the flow of a slot last; see Flow.shown. */
  shownAt(slot: number): number {
    return this.#store.slots.word(slot, SHOWN);
  }

  markShown(slot: number, shown: number): void {
    this.#store.slots.setWord(slot, SHOWN, shown);
  }

  /** Slots that flows may be in: from 0 up to before this. */
  get slots(): number {
    return this.#store.slots.end;
  }

  older(flow: Flow): Flow | null {
    return this.#store.log.older(flow);
  }

  /** The newest paths of a flow that are kept, newest last. */
  recentPaths(flow: Flow): readonly FinishedPath[] {
    return this.#recent.of(flow);
  }

  /** Puts a finished path to its flow, making the flow when it is the first. */
  add(path: Path): FinishedPath {
    if (this.#unkept !== null) {
      this.#onRelease(this.#unkept);
      this.#unkept = null;
    }
    const verdict = verdictOf(path, this.#namespaceFiltered);
    const tuple = path.quoted ?? path.columns.headers[0]?.tuple ?? null;
    if (path.length === 0 || tuple === null || isLinkControl(path, tuple)) {
      return this.#refuse(path, verdict);
    }
    if (path.quoted !== null) {
      return this.#addError(path, path.quoted, verdict);
    }
    const found = this.#matching.find(path);
    const { over } = this.#matching;
    const flow = found ?? this.#create(path, tuple);
    const direction = this.#directionOf(path, found);
    const traced = this.#store.slots.trace(flow);
    if (over !== null) {
      this.#rows.succeed(over, flow);
    }
    this.#store.histories?.advance(flow, path.columns.time[0] as number);
    this.#accounting.add(flow, traced, direction, path, verdict);
    this.#learning.learn(flow, traced, direction, path, verdict);
    if (path.origin === ORIGIN_FIRST_SEEN) {
      this.#losses.traced(flow, direction, path.columns.time[0] as number);
    }
    const flags = path.tcpFlags;
    const hasOtherState = noteFlags(flow, direction, flags);
    const finished: FinishedPath = { path, verdict, flow, direction, slot: -1 };
    this.#settle(flow, path.lastTime, found === null || hasOtherState);
    if (path.openedFor !== null && direction === ORIGINAL) {
      const first = linkProxied(this.#store.bindings, flow, path.openedFor, this.counters);
      if (first !== null) {
        this.#store.settle(first, first.last, false);
      }
    }
    this.#recent.add(flow, finished);
    return finished;
  }

  /**
   * Takes what the kernel counted, before or after paths of the same packets.
   *
   * @returns the flow, when the count says something new of it
   */
  count(counted: Counted): Flow | null {
    const flow = this.#counts.add(counted, this.#now);
    if (flow !== null) {
      this.#now = Math.max(this.#now, counted.last);
      this.#losses.counted(flow);
    }
    return flow;
  }

  /**
   * Removes what has been idle too long by `now` (source's epoch, ns), so many flows at a time.
   *
   * @returns whether more is to be looked at: call again soon
   */
  expireIdle(now: number): boolean {
    this.#now = Math.max(this.#now, now);
    this.#losses.settle(now, (flow) => this.#store.settle(flow, flow.last, false));
    const isMore = this.#store.expiry.expireIdle(now, (flow) => {
      this.counters.expired += 1;
      this.#store.end(flow, now);
    });
    return this.#store.forgetEnded(now, EXPIRY_BATCH) || isMore;
  }

  /** Flows changed after `version`, the oldest change first. */
  changedSince(version: number): Flow[] {
    return this.#store.log.changedSince(version);
  }

  /** Ids removed after `version`; null when that is too long ago to know. */
  removedSince(version: number): string[] | null {
    return this.#store.log.removedSince(version);
  }

  #refuse(path: Path, verdict: PathVerdict): FinishedPath {
    this.counters.unassigned += 1;
    this.#unkept = path;
    return { path, verdict, flow: null, direction: ORIGINAL, slot: -1 };
  }

  #create(path: Path, first: Tuple): Flow {
    const { columns } = path;
    const { netns } = (columns.place[0] as Place).device;
    const time = columns.time[0] as number;
    if (isReply(path)) {
      return this.#store.create(conntrackOriginal(path, this.#tuples), time, netns);
    }
    const entry = isStartSeen(path) ? null : firstConntrack(path);
    const flow = this.#store.create(entry?.original ?? first, time, netns);
    if (entry !== null) {
      this.#learning.bind(flow, ORIGINAL, entry.original, entry.netns, path);
    }
    return flow;
  }

  /** The direction of a path in its flow: what proves it turns a flow that is only counted. */
  #directionOf(path: Path, found: Flow | null): DirectionIndex {
    if (found === null) {
      return isReply(path) ? REPLY : ORIGINAL;
    }
    const { direction } = this.#matching;
    if (found.isPartial && !found.proven) {
      const answer = answers(path);
      const isTurned = answer !== null && (answer ? REPLY : ORIGINAL) !== direction;
      if (isTurned) {
        this.#merging.turn(found);
      }
      const turned = isTurned ? opposite(direction) : direction;
      if (turned === REPLY) {
        found.original = conntrackOriginal(path, this.#tuples);
      }
      return turned;
    }
    return direction;
  }

  #settle(flow: Flow, time: number, isDueAnew: boolean): void {
    this.#now = Math.max(this.#now, time);
    this.#store.settle(flow, time, isDueAnew);
  }

  /** An ICMP error belongs to the flow it complains about, but is none of its packets. */
  #addError(path: Path, quoted: Tuple, verdict: PathVerdict): FinishedPath {
    const flow = this.#errors.find(path, quoted, verdict);
    if (flow === null) {
      return this.#refuse(path, verdict);
    }
    const finished = { path, verdict, flow, direction: this.#errors.direction, slot: -1 };
    this.#settle(flow, path.lastTime, false);
    this.#recent.add(flow, finished);
    return finished;
  }
}
