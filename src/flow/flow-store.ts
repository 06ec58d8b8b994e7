import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import { Bindings } from './bindings.js';
import { ChangeLog } from './change-log.js';
import type { CountRows } from './count-rows.js';
import { ENDED_SHARE, EndedFlows, type EndedLimits } from './ended-flows.js';
import type { Flow } from './flow.js';
import { BYTES, ID_HIGH, ID_LOW, LAST, START } from './flow-block.js';
import type { FlowCounters } from './flow-counters.js';
import { FlowHistories, HISTORY_SHARE } from './flow-history.js';
import { FlowIndex } from './flow-index.js';
import { estimatedBytes } from './flow-size.js';
import { FlowSlots } from './flow-slots.js';
import { IdentifierHash } from './identifier.js';
import { IdleExpiry } from './idle-expiry.js';

/** Flows kept; one past it the one longest without a packet goes. */
export const FLOW_LIMIT = 1_048_576;
/** Bytes that flows may take, as estimated by flow-size.ts; past it the same go. */
export const FLOW_LIMIT_BYTES = 384 << 20;

export interface FlowStoreOptions {
  readonly limit?: number | undefined;
  readonly limitBytes?: number | undefined;
  readonly removedLimit?: number | undefined;
  /** What is kept of flows after their end; absent: nothing. */
  readonly ended?: EndedLimits | undefined;
  /** A flow has ended by age, or was evicted. */
  readonly onRemove?: ((flow: Flow) => void) | undefined;
  /** A flow has ended, and is kept for readers. */
  readonly onEnd: (flow: Flow) => void;
  /** A flow has left the table, for whatever reason: it has its numbers still. */
  readonly onRemoved: (flow: Flow) => void;
}

/** All flows, with the tables they are found by, within their limits. */
export class FlowStore {
  readonly slots: FlowSlots;
  readonly bindings: Bindings;
  readonly log: ChangeLog;
  readonly expiry: IdleExpiry;
  readonly ended: EndedFlows;
  /** Kept for the same readers as ended flows; null without them. */
  readonly histories: FlowHistories | null;
  readonly #index: FlowIndex;
  readonly #rows: CountRows;
  readonly #counters: FlowCounters;
  readonly #options: FlowStoreOptions;
  readonly #limit: number;
  readonly #limitBytes: number;
  #bytes = 0;

  constructor(
    tuples: TupleTable,
    rows: CountRows,
    counters: FlowCounters,
    options: FlowStoreOptions,
  ) {
    this.slots = new FlowSlots(tuples);
    this.#index = new FlowIndex(this.slots);
    this.bindings = new Bindings(tuples, this.slots);
    this.log = new ChangeLog(this.slots, options.removedLimit);
    this.expiry = new IdleExpiry(this.slots);
    this.#rows = rows;
    this.#counters = counters;
    this.#options = options;
    this.#limit = options.limit ?? FLOW_LIMIT;
    const limitBytes = options.limitBytes ?? FLOW_LIMIT_BYTES;
    const historyBytes = options.ended === undefined ? 0 : limitBytes * HISTORY_SHARE;
    this.histories = historyBytes === 0 ? null : new FlowHistories(historyBytes);
    this.#limitBytes = limitBytes - historyBytes;
    const endedBytes = this.#limitBytes * ENDED_SHARE;
    this.ended = new EndedFlows(this.slots, options.ended ?? { limit: 0 }, endedBytes);
  }

  /** Flows that have not ended. */
  get size(): number {
    return this.slots.size - this.ended.size;
  }

  /** Estimated. */
  get bytes(): number {
    return this.#bytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  get(id: string): Flow | undefined {
    return this.#index.get(id);
  }

  /** A new flow, which `settle` puts into the order of change. */
  create(original: Tuple, start: number, netns: number): Flow {
    if (this.slots.size >= this.#limit) {
      this.#evictOldest(null);
    }
    const hash = new IdentifierHash()
      .number(original.src0)
      .number(original.src1)
      .number(original.src2)
      .number(original.src3)
      .number(original.dst0)
      .number(original.dst1)
      .number(original.dst2)
      .number(original.dst3)
      .number(original.sport * 65536 + original.dport)
      .number(original.protocol)
      .number(netns)
      .number(start);
    const flow = this.slots.allocate(original);
    flow.word(ID_HIGH, hash.high);
    flow.word(ID_LOW, hash.low);
    flow.double(START, start);
    flow.double(LAST, start);
    this.#index.add(flow);
    return flow;
  }

  /**
   * After a change: the flow is the newest, it is due at another time, and others may
   * have to make room.
   *
   * @param isDueAnew whether its state is another, or it is new
   */
  settle(flow: Flow, time: number, isDueAnew: boolean): void {
    this.log.touch(flow, time);
    if (isDueAnew) {
      this.expiry.schedule(flow);
    }
    this.#charge(flow);
    while (this.#bytes > this.#limitBytes && this.#evictOldest(flow)) {
      // until there is room
    }
  }

  /**
   * A flow has been idle too long. Where ended ones are kept it stays for readers, small and
   * found by its id alone; else it leaves. `now`: ns since the source's epoch.
   */
  end(flow: Flow, now: number): void {
    const { ended } = this;
    if (ended.limit === 0) {
      this.remove(flow);
      return;
    }
    this.#unbind(flow);
    this.expiry.remove(flow);
    flow.traced?.settle();
    this.#options.onEnd(flow);
    ended.add(flow, now, () => this.#charge(flow));
    this.log.touch(flow, flow.last);
    while (ended.isOverLimit) {
      this.#counters.endedEvicted += 1;
      this.#unlink(ended.first as Flow, false);
    }
    this.#options.onRemove?.(flow);
  }

  /** Removes ended flows that were kept long enough, so many. @returns whether there are more */
  forgetEnded(now: number, most: number): boolean {
    for (let left = most; left > 0; left--) {
      const flow = this.ended.overdue(now);
      if (flow === null) {
        return false;
      }
      this.#unlink(flow, false);
    }
    return true;
  }

  remove(flow: Flow): void {
    const { onRemove } = this.#options;
    this.#unlink(flow, onRemove !== undefined);
    onRemove?.(flow);
  }

  /** A flow took over another, which leaves; readers see its id go. */
  mergedAway(flow: Flow, other: Flow): void {
    this.#counters.merged += 1;
    const { last } = other;
    this.#unlink(other, false);
    if (last > flow.last) {
      flow.double(LAST, last);
    }
  }

  /** @param but the flow that stays in any case. @returns whether one has gone */
  #evictOldest(but: Flow | null): boolean {
    const ended = this.ended.first;
    if (ended !== null) {
      this.#counters.endedEvicted += 1;
      this.#unlink(ended, false);
      return true;
    }
    const { oldest } = this.log;
    if (oldest === null || (but !== null && oldest.is(but))) {
      return false;
    }
    this.#counters.evicted += 1;
    this.remove(oldest);
    return true;
  }

  /** Puts what it takes to the account. */
  #charge(flow: Flow): void {
    const bytes = estimatedBytes(flow);
    this.#bytes += bytes - flow.wordAt(BYTES);
    flow.word(BYTES, bytes);
  }

  #unbind(flow: Flow): void {
    this.#rows.forget(flow);
    this.bindings.remove(flow);
  }

  #unlink(flow: Flow, isShown: boolean): void {
    if (flow.hasEnded) {
      this.ended.remove(flow);
    } else {
      this.#unbind(flow);
      this.expiry.remove(flow);
    }
    this.#bytes -= flow.wordAt(BYTES);
    this.histories?.forget(flow);
    this.log.remove(flow);
    this.#index.remove(flow);
    this.#options.onRemoved(flow);
    this.slots.release(flow, isShown);
  }
}
