import { PROTO_TCP } from '../packet/proto.js';
import type { Flow } from './flow.js';
import { NOT_IN_WHEEL, WHEEL_NEXT, WHEEL_PREVIOUS } from './flow-block.js';
import type { FlowSlots } from './flow-slots.js';

const SECOND = 1e9;
/** How long a flow stays without a packet, by state, nanoseconds. */
export const IDLE_NS = {
  closed: 10 * SECOND,
  closing: 60 * SECOND,
  tcpActive: 600 * SECOND,
  tcpNew: 120 * SECOND,
  other: 60 * SECOND,
} as const;

/** Flows looked at in one call, so that none blocks for long. */
export const EXPIRY_BATCH = 2_000;
/** One bucket a second, more than the longest of IDLE_NS; a power of two. */
const BUCKETS = 1_024;

/**
 * Finds the flows that have been idle too long. A wheel of seconds: a flow waits where it
 * would be due had it no further packet, and is looked at again then, not at each packet.
 */
export class IdleExpiry {
  readonly #slots: FlowSlots;
  readonly #heads = new Int32Array(BUCKETS).fill(-1);
  #second = 0;

  constructor(slots: FlowSlots) {
    this.#slots = slots;
  }

  /** Puts a flow where it is due; again when its state makes it due earlier. */
  schedule(flow: Flow): void {
    const bucket = Math.max(dueSecond(flow), this.#second) & (BUCKETS - 1);
    this.remove(flow);
    const head = this.#heads[bucket] as number;
    flow.word(WHEEL_NEXT, head);
    flow.word(WHEEL_PREVIOUS, ~bucket - 1);
    if (head >= 0) {
      this.#slots.setWord(head, WHEEL_PREVIOUS, flow.slot);
    }
    this.#heads[bucket] = flow.slot;
  }

  remove(flow: Flow): void {
    const next = flow.wordAt(WHEEL_NEXT);
    if (next === NOT_IN_WHEEL) {
      return;
    }
    const previous = flow.wordAt(WHEEL_PREVIOUS);
    if (previous >= 0) {
      this.#slots.setWord(previous, WHEEL_NEXT, next);
    } else {
      this.#heads[~(previous + 1)] = next;
    }
    if (next >= 0) {
      this.#slots.setWord(next, WHEEL_PREVIOUS, previous);
    }
    flow.word(WHEEL_NEXT, NOT_IN_WHEEL);
  }

  /**
   * Calls `expire` for what has been idle too long by `now`; that removes it.
   *
   * @returns whether more is to be looked at
   */
  expireIdle(now: number, expire: (flow: Flow) => void): boolean {
    const end = Math.floor(now / SECOND);
    let budget = EXPIRY_BATCH;
    let hasMoved = false;
    for (let second = Math.max(this.#second, end - BUCKETS + 1); second <= end; second++) {
      this.#second = second;
      for (let slot = this.#heads[second & (BUCKETS - 1)] as number; slot >= 0; ) {
        if (budget === 0) {
          // Of flows that are due later in this second, none moves: they are asked again then.
          return hasMoved;
        }
        budget -= 1;
        const flow = this.#slots.at(slot) as Flow;
        slot = flow.wordAt(WHEEL_NEXT);
        if (now - flow.last > idleLimit(flow)) {
          expire(flow);
          hasMoved = true;
        } else if (dueSecond(flow) > second) {
          this.schedule(flow);
          hasMoved = true;
        }
      }
    }
    return false;
  }
}

function dueSecond(flow: Flow): number {
  return Math.floor((flow.last + idleLimit(flow)) / SECOND);
}

function idleLimit(flow: Flow): number {
  switch (flow.state) {
    case 'closed':
      return IDLE_NS.closed;
    case 'closing':
      return IDLE_NS.closing;
    default:
      if (flow.original.protocol !== PROTO_TCP) {
        return IDLE_NS.other;
      }
      return flow.state === 'active' ? IDLE_NS.tcpActive : IDLE_NS.tcpNew;
  }
}
