import { ORIGINAL } from './direction-index.js';
import type { Flow } from './flow.js';
import { BYTES, ENDED, WHEEL_NEXT, WHEEL_PREVIOUS } from './flow-block.js';
import type { FlowSlots } from './flow-slots.js';
import { Histogram } from './histogram.js';

/** Flows kept after their end, and for how long, nanoseconds. */
export const ENDED_LIMIT = 50_000;
export const ENDED_NS = 900e9;
/** So many times as long for those worth a look: with drops, or among the slowest. */
export const NOTABLE_TIMES = 4;
/** Of all bytes of flows, what ended ones may take. */
export const ENDED_SHARE = 0.5;
/** A flow is slow whose p99 is above this quantile of those of the flows that ended before. */
const SLOW_QUANTILE = 0.95;
/** So many ends apart the threshold is measured again; none is slow before the first time. */
const SLOW_SAMPLES = 64;
const SECOND = 1e9;

/** One order of ends, the oldest first, chained through words of the wheel that they have left. */
interface Line {
  oldest: number;
  newest: number;
  size: number;
}

export interface EndedLimits {
  readonly limit?: number;
  readonly keptNs?: number;
}

/**
 * Flows that have ended and are kept for readers: no packet finds them, and they go first
 * when there must be room. Ordinary ones go before those with drops and the slowest.
 */
export class EndedFlows {
  readonly limit: number;
  readonly limitBytes: number;
  readonly #keptNs: number;
  readonly #slots: FlowSlots;
  readonly #ordinary: Line = { oldest: -1, newest: -1, size: 0 };
  readonly #notable: Line = { oldest: -1, newest: -1, size: 0 };
  #times = new Histogram();
  #slowNs = Number.POSITIVE_INFINITY;
  #bytes = 0;

  constructor(slots: FlowSlots, limits: EndedLimits, limitBytes: number) {
    this.#slots = slots;
    this.limit = limits.limit ?? ENDED_LIMIT;
    this.limitBytes = limitBytes;
    this.#keptNs = limits.keptNs ?? ENDED_NS;
  }

  get size(): number {
    return this.#ordinary.size + this.#notable.size;
  }

  /** Estimated, as the table has put it to the flows' account. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * `flow` is in no place of the wheel. `now`: ns since the source's epoch; `charge` puts what
   * it takes from now on to its account.
   */
  add(flow: Flow, now: number, charge: () => void): void {
    const isNotable = this.#isNotable(flow);
    const line = isNotable ? this.#notable : this.#ordinary;
    // The lowest bit says which line it is in; 0 is a flow that has not ended.
    flow.word(ENDED, (Math.floor(now / SECOND) + 1) * 2 + (isNotable ? 1 : 0));
    flow.word(WHEEL_PREVIOUS, line.newest);
    flow.word(WHEEL_NEXT, -1);
    if (line.newest >= 0) this.#slots.setWord(line.newest, WHEEL_NEXT, flow.slot);
    else line.oldest = flow.slot;
    line.newest = flow.slot;
    line.size += 1;
    charge();
    this.#bytes += flow.wordAt(BYTES);
  }

  remove(flow: Flow): void {
    const line = (flow.wordAt(ENDED) & 1) === 1 ? this.#notable : this.#ordinary;
    const next = flow.wordAt(WHEEL_NEXT);
    const previous = flow.wordAt(WHEEL_PREVIOUS);
    if (previous >= 0) this.#slots.setWord(previous, WHEEL_NEXT, next);
    else line.oldest = next;
    if (next >= 0) this.#slots.setWord(next, WHEEL_PREVIOUS, previous);
    else line.newest = previous;
    line.size -= 1;
    this.#bytes -= flow.wordAt(BYTES);
  }

  /** The one to go next when there must be room; null when there is none. */
  get first(): Flow | null {
    const isFull = this.#notable.size > this.limit / 2;
    const line = this.#ordinary.size === 0 || isFull ? this.#notable : this.#ordinary;
    return this.#slots.at(line.oldest);
  }

  get isOverLimit(): boolean {
    return this.size > this.limit || this.#bytes > this.limitBytes;
  }

  /** One that was kept long enough by `now`; null when there is none. */
  overdue(now: number): Flow | null {
    return (
      this.#endedBefore(this.#ordinary, now - this.#keptNs) ??
      this.#endedBefore(this.#notable, now - this.#keptNs * NOTABLE_TIMES)
    );
  }

  #endedBefore(line: Line, time: number): Flow | null {
    if (line.oldest < 0) return null;
    const second = (this.#slots.word(line.oldest, ENDED) >> 1) - 1;
    return second * SECOND <= time ? this.#slots.at(line.oldest) : null;
  }

  #isNotable(flow: Flow): boolean {
    const p99 = flow.latency(ORIGINAL)?.quantile(0.99) ?? null;
    if (p99 !== null) this.#note(p99);
    return flow.reasons.size > 0 || (p99 !== null && p99 > this.#slowNs);
  }

  #note(p99: number): void {
    this.#times.add(p99);
    if (this.#times.count < SLOW_SAMPLES) return;
    this.#slowNs = this.#times.quantile(SLOW_QUANTILE);
    this.#times = new Histogram();
  }
}
