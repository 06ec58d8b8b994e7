import { type DirectionIndex, ORIGINAL, REPLY } from './direction-index.js';
import type { Flow } from './flow.js';
import type { FlowSlots } from './flow-slots.js';

/** By then every packet that was counted has been traced to its end, or never will be, ns. */
export const SETTLED_NS = 5e9;

/**
 * The kernel's counter has the time of its last packet to a tick of the clock, 4 to 10 ms, and of
 * one that is late on a virtual machine: packets that it has counted may have been sent this much
 * later, ns. Of a flow that goes on, the next comparison finds what this one leaves out.
 */
export const COUNT_TICK_NS = 100e6;

/** Flows watched at a time; one more is watched when it is counted again and others are not. */
export const MOMENT_LIMIT = 65_536;

/** A flow's packets at one moment, for a comparison later. */
interface Moment {
  /** Time of its newest packet then. */
  readonly at: number;
  readonly counted: readonly [number, number];
  /** Packets traced of those up to then. */
  readonly traced: [number, number];
}

/**
 * Finds packets that the kernel counted and the tracer never showed, where it was to show
 * all of them. One moment at a time is watched of each flow: what was counted by then is
 * compared once all that was traced by then has arrived.
 */
export class Losses {
  /** Whether the tracer is to show every packet. */
  isWatching = false;
  /**
   * Since when it does, ns: of a flow that was under way by then, earlier packets were counted
   * and not traced. Which ones were lost before its first comparison, nobody can tell.
   */
  since = Number.NEGATIVE_INFINITY;
  /** By the flow's slot, in the order in which they were taken; one for each flow at most. */
  readonly #moments = new Map<number, Moment>();
  /** By the slot of a flow that was under way: packets that are not compared. */
  readonly #earlier = new Map<number, readonly [number, number]>();
  readonly #slots: FlowSlots;
  /** Counts of flows that were not watched because so many others were. */
  unwatched = 0;

  constructor(slots: FlowSlots) {
    this.#slots = slots;
  }

  get watched(): number {
    return this.#moments.size;
  }

  /** A flow was counted. */
  counted(flow: Flow): void {
    const { slot } = flow;
    if (this.isWatching && !this.#moments.has(slot)) {
      if (this.#moments.size >= MOMENT_LIMIT) {
        this.unwatched += 1;
        return;
      }
      this.#moments.set(slot, {
        at: flow.last,
        counted: [flow.packets(ORIGINAL), flow.packets(REPLY)],
        traced: [tracedPackets(flow, ORIGINAL), tracedPackets(flow, REPLY)],
      });
    }
  }

  /** A packet of a flow was traced; it was first seen at `time`. */
  traced(flow: Flow, direction: DirectionIndex, time: number): void {
    const moment = this.#moments.size === 0 ? undefined : this.#moments.get(flow.slot);
    if (moment !== undefined && time <= moment.at + COUNT_TICK_NS) {
      moment.traced[direction] += 1;
    }
  }

  /** Calls `onChange` for flows of which packets are found lost, or not lost after all. */
  settle(now: number, onChange: (flow: Flow) => void): void {
    for (const [slot, moment] of this.#moments) {
      if (now - moment.at < SETTLED_NS) {
        return;
      }
      this.#moments.delete(slot);
      const flow = this.#slots.at(slot);
      if (flow === null) {
        continue;
      }
      if (this.#isUnderWay(flow)) {
        this.#earlier.set(slot, [untraced(flow, ORIGINAL), untraced(flow, REPLY)]);
      }
      const missed = compare(flow, moment, this.#earlier.get(slot));
      if (missed !== (flow.traced?.missed ?? 0)) {
        flow.makeTraced().missed = missed;
        onChange(flow);
      }
      if (flow.packets(ORIGINAL) + flow.packets(REPLY) > moment.counted[0] + moment.counted[1]) {
        this.counted(flow);
      }
    }
  }

  /** A flow leaves: what can be said of it is said now. */
  forget(flow: Flow): void {
    const moment = this.#moments.get(flow.slot);
    if (moment !== undefined) {
      this.#moments.delete(flow.slot);
      const missed = this.#isUnderWay(flow)
        ? 0
        : compare(flow, moment, this.#earlier.get(flow.slot));
      if (missed > 0) {
        flow.makeTraced().missed = missed;
      }
    }
    this.#earlier.delete(flow.slot);
  }

  /** Whether it was when tracing began, and has not been compared since. */
  #isUnderWay(flow: Flow): boolean {
    return flow.start < this.since && !this.#earlier.has(flow.slot);
  }
}

function compare(
  flow: Flow,
  { counted, traced }: Moment,
  earlier: readonly [number, number] = [0, 0],
): number {
  let missed = 0;
  for (const direction of [ORIGINAL, REPLY] as const) {
    if (flow.isCounted(direction)) {
      missed += Math.max(0, counted[direction] - traced[direction] - earlier[direction]);
    }
  }
  return missed;
}

function untraced(flow: Flow, direction: DirectionIndex): number {
  return Math.max(0, flow.packets(direction) - tracedPackets(flow, direction));
}

function tracedPackets(flow: Flow, direction: DirectionIndex): number {
  return flow.tracedIn(direction)?.packets ?? 0;
}
