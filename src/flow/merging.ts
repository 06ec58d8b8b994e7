import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import type { Bindings } from './bindings.js';
import type { CountRows } from './count-rows.js';
import { ORIGINAL, opposite, REPLY } from './direction-index.js';
import type { Flow } from './flow.js';
import { LARGEST, START } from './flow-block.js';
import type { FlowStore } from './flow-store.js';
import { noteFlags } from './tcp-state.js';

/**
 * Makes one flow of two: the kernel counts a connection on several devices, under the
 * tuples that it has there, and what shows that they are one may come later.
 */
export class Merging {
  readonly #store: FlowStore;
  readonly #bindings: Bindings;
  readonly #rows: CountRows;
  readonly #tuples: TupleTable;

  constructor(store: FlowStore, rows: CountRows, tuples: TupleTable) {
    this.#store = store;
    this.#bindings = store.bindings;
    this.#rows = rows;
    this.#tuples = tuples;
  }

  /**
   * A flow takes over all of another, of which no packet was seen whole, and which is no more.
   *
   * @param isTurned whether the other's original direction is the flow's reply
   */
  absorb(flow: Flow, other: Flow, isTurned: boolean): void {
    let turned = isTurned;
    if (other.proven && !flow.proven && flow.isPartial) {
      // What is proven of the other is how this one is to be seen.
      if (turned) {
        this.turn(flow);
        turned = false;
      }
      flow.original = other.original;
      if (other.reply !== null) {
        flow.reply = other.reply;
      }
      flow.prove();
    }
    this.#rows.absorb(flow, other, turned);
    this.#bindings.move(other, flow, turned);
    if (other.start < flow.start) {
      flow.double(START, other.start);
    }
    for (const direction of [ORIGINAL, REPLY] as const) {
      flow.noteLargest(direction, other.largestOf(turned ? opposite(direction) : direction));
    }
    const { reply } = other;
    if (!flow.hasReply && (turned || reply !== null)) {
      flow.reply = turned ? other.original : (reply as Tuple);
    }
    flow.finSeen |= turned ? exchanged(other.finSeen) : other.finSeen;
    if (flow.state !== 'closed' && (other.state === 'closed' || flow.finSeen === 3)) {
      flow.state = 'closed';
    } else if (flow.state !== 'closed' && flow.finSeen > 0) {
      flow.state = 'closing';
    } else {
      noteFlags(flow, ORIGINAL, -1);
    }
    this.#store.mergedAway(flow, other);
    this.#store.expiry.schedule(flow);
  }

  /** What was a flow's original direction is its reply: it was first met by an answer. */
  turn(flow: Flow): void {
    // What was seen of parts of it is not worth turning.
    flow.forgetTraced();
    this.#rows.turn(flow);
    this.#bindings.turn(flow);
    const largest = flow.wordAt(LARGEST + ORIGINAL);
    flow.word(LARGEST + ORIGINAL, flow.wordAt(LARGEST + REPLY));
    flow.word(LARGEST + REPLY, largest);
    const { original, finSeen } = flow;
    flow.original = flow.reply ?? this.#tuples.briefReversed(original);
    flow.reply = original;
    flow.finSeen = exchanged(finSeen);
  }

  /** Turns a flow that nothing is proven of and whose answers were counted first. */
  turnByTime(flow: Flow): void {
    if (
      !flow.proven &&
      flow.traced === null &&
      flow.isCounted(ORIGINAL) &&
      flow.isCounted(REPLY) &&
      this.#rows.isEarlier(flow, REPLY)
    ) {
      this.turn(flow);
    }
  }
}

function exchanged(fins: number): number {
  return ((fins & 1) << 1) | (fins >> 1);
}
