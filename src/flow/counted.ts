import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import { TCP_ACK, TCP_SYN } from '../packet/tcp.js';
import type { Bindings } from './bindings.js';
import { CountPoints } from './count-points.js';
import type { CountRows } from './count-rows.js';
import { type DirectionIndex, ORIGINAL, opposite, REPLY } from './direction-index.js';
import { beganTogether, findElsewhere, SAME_TIME_NS } from './elsewhere.js';
import type { Flow } from './flow.js';
import { START } from './flow-block.js';
import type { FlowCounters } from './flow-counters.js';
import type { FlowStore } from './flow-store.js';
import { IDLE_NS } from './idle-expiry.js';
import type { Merging } from './merging.js';
import { START_SOCKET } from './path-start.js';
import { noteFlags } from './tcp-state.js';

/**
 * What the kernel's counter says of one direction of a connection at one device. A GSO
 * packet counts once, as it does for a path; its bytes are all of its IP bytes.
 */
export interface Counted {
  /** Number of the device's namespace. */
  readonly netns: number;
  readonly ifindex: number;
  /** `in` is the device's ingress: the packet comes into the namespace by it. */
  readonly direction: 'in' | 'out';
  /** Of the innermost packet as it is there. */
  readonly tuple: Tuple;
  /** All since `first`; a device that begins anew has another `first`. */
  readonly packets: number;
  /** IP bytes of the innermost packets. */
  readonly bytes: number;
  /** Largest IP packet; of a GSO packet the size of its segments. */
  readonly largest: number;
  /** All TCP flags seen; 0 for another protocol. */
  readonly tcpFlags: number;
  /** Nanoseconds since the source's epoch. */
  readonly first: number;
  readonly last: number;
  /** Whether the counter has removed it: it says these numbers for the last time. */
  readonly gone: boolean;
  /** Of the packet's own conntrack entry, where it had one there. */
  readonly ctOriginal: Tuple | null;
  readonly ctReply: Tuple | null;
}

/** Puts the kernel's counts to their flows, and makes flows for those that were not traced. */
export class CountIntake {
  readonly #points: CountPoints;
  readonly #tuples: TupleTable;
  readonly #store: FlowStore;
  readonly #bindings: Bindings;
  readonly #rows: CountRows;
  readonly #merging: Merging;
  readonly #counters: FlowCounters;
  #direction: DirectionIndex = ORIGINAL;

  constructor(
    tuples: TupleTable,
    store: FlowStore,
    rows: CountRows,
    merging: Merging,
    counters: FlowCounters,
    pointLimit?: number,
  ) {
    this.#points = new CountPoints(pointLimit);
    this.#tuples = tuples;
    this.#store = store;
    this.#bindings = store.bindings;
    this.#rows = rows;
    this.#merging = merging;
    this.#counters = counters;
  }

  /**
   * @param now of the newest record
   * @returns the flow, when the count says something new of it
   */
  add(count: Counted, now: number): Flow | null {
    const point = this.#points.of(count.netns, count.ifindex, count.direction);
    if (point === 0) {
      this.#counters.pointsRefused += 1;
      return null;
    }
    const proof = directionByConntrack(count);
    let flow = this.#find(count, point, proof);
    const isNew = flow === null;
    if (isNew && count.gone) {
      // What it counted was given before: its flow has been idle, and was removed.
      return null;
    }
    if (isNew && now - count.last > IDLE_NS.tcpNew) {
      this.#counters.countsStale += 1;
      return null;
    }
    flow ??= this.#create(count, proof);
    if (proof !== null) {
      flow = this.#learnConntrack(flow, count, proof);
    }
    flow = this.#bind(flow, count.tuple, count.netns, this.#direction);
    this.#direction = this.#directionOf(count.tuple, count.netns) ?? this.#direction;
    const direction = this.#direction;
    this.#store.histories?.advance(flow, count.last);
    const isChanged = this.#rows.record(flow, direction, point, count);
    if (!isChanged && !isNew) {
      return null;
    }
    if (count.first < flow.start) {
      flow.double(START, count.first);
    }
    flow.noteLargest(direction, count.largest);
    if (direction === REPLY && !flow.hasReply) {
      flow.reply = count.tuple;
    }
    const flags = this.#rows.hasOwnFlags(flow, direction, point) ? count.tcpFlags : -1;
    const hasOtherState = noteFlags(flow, direction, flags);
    this.#merging.turnByTime(flow);
    this.#store.settle(flow, count.last, isNew || hasOtherState);
    return flow;
  }

  /** By the tuple, else by conntrack's; sets the direction that the count has in the flow. */
  #find(count: Counted, point: number, proof: DirectionIndex | null): Flow | null {
    const { tuple, netns } = count;
    const row = this.#bindings.find(tuple, netns);
    if (row >= 0) {
      const flow = this.#bindings.flow(row);
      const direction = this.#bindings.direction(row, tuple);
      if (!this.#isOver(flow, direction, count, point)) {
        this.#direction = direction;
        return flow;
      }
      this.#bindings.remove(flow);
    }
    if (proof === null) {
      return null;
    }
    for (const [known, way] of [
      [count.ctOriginal, ORIGINAL],
      [count.ctReply, REPLY],
    ] as const) {
      const found = known === null ? -1 : this.#bindings.find(known, netns);
      if (known !== null && found >= 0) {
        const flow = this.#bindings.flow(found);
        if (this.#isOver(flow, this.#bindings.direction(found, known), count, point)) {
          this.#bindings.remove(flow);
          continue;
        }
        const direction = this.#bindings.direction(found, known);
        this.#direction = proof === way ? direction : opposite(direction);
        return flow;
      }
    }
    return null;
  }

  /** Whether the flow that has the count's tuple is over: the tuple is another connection's now. */
  #isOver(flow: Flow, direction: DirectionIndex, count: Counted, point: number): boolean {
    if (
      flow.state === 'closed' &&
      (count.tcpFlags & TCP_SYN) !== 0 &&
      this.#rows.hasRestarted(flow, direction, point, count.first)
    ) {
      return true;
    }
    const { ctOriginal } = count;
    const isSameTime = Math.abs(count.first - flow.start) <= SAME_TIME_NS;
    if (ctOriginal === null || isSameTime || flow.hasOriginal(ctOriginal)) {
      return false;
    }
    // Its source is known for sure, and it is not the one that conntrack names.
    const isSure =
      flow.traced === null ? flow.proven : flow.traced.starts[ORIGINAL] === START_SOCKET;
    const row = isSure ? this.#bindings.find(ctOriginal, count.netns) : -1;
    return isSure && (row < 0 || !this.#bindings.flow(row).is(flow));
  }

  #create(count: Counted, proof: DirectionIndex | null): Flow {
    const { tuple } = count;
    const direction = proof ?? directionByFlags(count) ?? ORIGINAL;
    const original = direction === ORIGINAL ? tuple : this.#tuples.briefReversed(tuple);
    const flow = this.#store.create(original, count.first, count.netns);
    if (direction === REPLY) {
      flow.reply = tuple;
    }
    if (directionByFlags(count) !== null) {
      flow.prove();
    }
    this.#direction = direction;
    return flow;
  }

  /** Takes over what conntrack says: which tuples the flow has, and who began it. */
  #learnConntrack(found: Flow, count: Counted, proof: DirectionIndex): Flow {
    let flow = found;
    if (flow.isPartial && !flow.proven) {
      if (this.#direction !== proof) {
        this.#merging.turn(flow);
        this.#direction = proof;
      }
      if (count.ctOriginal !== null) {
        flow.original = count.ctOriginal;
      }
      if (count.ctReply !== null) {
        flow.reply = count.ctReply;
      }
      flow.prove();
    }
    for (const [known, way] of [
      [count.ctOriginal, ORIGINAL],
      [count.ctReply, REPLY],
    ] as const) {
      if (known === null) {
        continue;
      }
      const own = this.#direction === proof ? way : opposite(way);
      const row = this.#bindings.find(known, count.netns);
      if (row < 0) {
        flow = this.#bind(flow, known, count.netns, own);
      } else if (!this.#bindings.flow(row).is(flow)) {
        const other = this.#bindings.flow(row);
        flow = this.#join(flow, other, this.#bindings.direction(row, known) !== own);
        if (!this.#bindings.flow(row).is(flow)) {
          continue;
        }
      }
      const direction = this.#directionOf(known, count.netns) ?? own;
      this.#direction = proof === way ? direction : opposite(direction);
    }
    flow.learnReply(this.#direction === proof ? count.ctReply : count.ctOriginal);
    flow.prove();
    return flow;
  }

  /** One flow of two, unless packets of both were seen whole. */
  #join(flow: Flow, other: Flow, isTurned: boolean): Flow {
    if (other.isPartial && (!flow.isPartial || isNearerSource(flow, other))) {
      this.#merging.absorb(flow, other, isTurned);
      return flow;
    }
    if (flow.isPartial) {
      this.#merging.absorb(other, flow, isTurned);
      return other;
    }
    return flow;
  }

  /** @returns the flow that has the tuple now: what has it in another namespace may be the same */
  #bind(flow: Flow, tuple: Tuple, netns: number, direction: DirectionIndex): Flow {
    if (this.#bindings.find(tuple, netns) >= 0) {
      return flow;
    }
    if (!this.#bindings.add(flow, tuple, netns, direction)) {
      this.#counters.keysRefused += 1;
      return flow;
    }
    const row = findElsewhere(this.#bindings, tuple, flow, (other) => beganTogether(flow, other));
    if (row < 0) {
      return flow;
    }
    const isTurned = this.#bindings.direction(row, tuple) !== direction;
    return this.#join(flow, this.#bindings.flow(row), isTurned);
  }

  #directionOf(tuple: Tuple, netns: number): DirectionIndex | null {
    const row = this.#bindings.find(tuple, netns);
    return row < 0 ? null : this.#bindings.direction(row, tuple);
  }
}

/** Of two records of one connection, whether the first has the tuples as its source sends them. */
function isNearerSource(flow: Flow, other: Flow): boolean {
  const isTranslated = hasNat(flow);
  return isTranslated === hasNat(other) ? flow.start <= other.start : isTranslated;
}

function hasNat({ original, reply }: Flow): boolean {
  return reply !== null && !original.equals(reply) && !original.reverses(reply);
}

/** Which way of its connection a count goes, by the tuples of the conntrack entry. */
function directionByConntrack({ tuple, ctOriginal, ctReply }: Counted): DirectionIndex | null {
  if (ctOriginal === null || ctReply === null) {
    return null;
  }
  if (tuple.equals(ctOriginal)) {
    return ORIGINAL;
  }
  if (tuple.reverses(ctOriginal) || tuple.equals(ctReply)) {
    return REPLY;
  }
  return tuple.reverses(ctReply) ? ORIGINAL : null;
}

/** Which way it goes, by a SYN; of more than one packet nothing says which had which flag. */
function directionByFlags({ packets, tcpFlags }: Counted): DirectionIndex | null {
  if (packets !== 1 || (tcpFlags & TCP_SYN) === 0) {
    return null;
  }
  return (tcpFlags & TCP_ACK) === 0 ? ORIGINAL : REPLY;
}
