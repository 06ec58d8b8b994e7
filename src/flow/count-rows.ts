import { isIncoming } from './count-points.js';
import { type DirectionIndex, ORIGINAL, opposite, REPLY } from './direction-index.js';
import type { Flow } from './flow.js';
import {
  DESTINATION_FIRST,
  DESTINATION_PACKETS,
  POINTS,
  SOURCE_BYTES,
  SOURCE_FIRST,
  SOURCE_PACKETS,
} from './flow-block.js';

/** What one device has counted of one direction since `first`. */
export interface DeviceCount {
  readonly packets: number;
  readonly bytes: number;
  readonly first: number;
}

/** What is to be added to what a device counts now, for a count that began anew. */
interface Before {
  packets: number;
  bytes: number;
  /** When the count began that this is added to. */
  first: number;
  /** Whether the flags of that count are in part another connection's. */
  foreignFlags: boolean;
}

/**
 * The kernel's counts of each flow: for each direction those of the device nearest to the
 * source, where packets came by first, and those of the furthest. What is counted between
 * the two is left out.
 */
export class CountRows {
  /** By flow, direction and end: only those that began anew. At most four for each flow. */
  readonly #before = new Map<number, Before>();

  /** Takes a count. @returns whether the flow's numbers are others now */
  record(flow: Flow, direction: DirectionIndex, point: number, count: DeviceCount): boolean {
    const source = flow.wordAt(POINTS + direction * 2);
    const destination = flow.wordAt(POINTS + direction * 2 + 1);
    if (source === point) {
      return this.#advance(flow, direction, false, count);
    }
    if (destination === point) {
      return this.#advance(flow, direction, true, count);
    }
    if (source === 0) {
      this.#setSource(flow, direction, point, count);
      return true;
    }
    const sourceFirst = flow.count(direction, SOURCE_FIRST);
    if (isBefore(count.first, point, sourceFirst, source)) {
      const packets = flow.count(direction, SOURCE_PACKETS);
      const old = this.#takeBefore(flow, direction, false);
      const furthest = flow.count(direction, DESTINATION_FIRST);
      if (destination === 0 || isBefore(furthest, destination, sourceFirst, source)) {
        this.#setDestination(flow, direction, source, packets, sourceFirst);
        this.#setBefore(flow, direction, true, old);
      }
      this.#setSource(flow, direction, point, count);
      return true;
    }
    const furthest = flow.count(direction, DESTINATION_FIRST);
    if (destination === 0 || isBefore(furthest, destination, count.first, point)) {
      this.#takeBefore(flow, direction, true);
      this.#setDestination(flow, direction, point, count.packets, count.first);
      return true;
    }
    return false;
  }

  /** Whether a count of the flow at a device has begun anew since it was taken last. */
  hasRestarted(flow: Flow, direction: DirectionIndex, point: number, first: number): boolean {
    for (const end of [0, 1]) {
      if (flow.wordAt(POINTS + direction * 2 + end) === point) {
        return first > this.#epoch(flow, direction, end === 1);
      }
    }
    return false;
  }

  /** Whether the flags counted there are this connection's alone. */
  hasOwnFlags(flow: Flow, direction: DirectionIndex, point: number): boolean {
    if (this.#before.size === 0) {
      return true;
    }
    const isDestination = flow.wordAt(POINTS + direction * 2) !== point;
    return this.#before.get(key(flow, direction, isDestination))?.foreignFlags !== true;
  }

  /** One flow takes over the counts of another. @param isTurned whether directions differ */
  absorb(flow: Flow, other: Flow, isTurned: boolean): void {
    for (const from of [ORIGINAL, REPLY] as const) {
      const to = isTurned ? opposite(from) : from;
      for (const end of [0, 1]) {
        const point = other.wordAt(POINTS + from * 2 + end);
        if (point === 0) {
          continue;
        }
        const isEnd = end === 1;
        this.record(flow, to, point, {
          packets: other.count(from, isEnd ? DESTINATION_PACKETS : SOURCE_PACKETS),
          // A further device is never the source: what it counts comes later.
          bytes: isEnd ? 0 : other.count(from, SOURCE_BYTES),
          first: other.count(from, isEnd ? DESTINATION_FIRST : SOURCE_FIRST),
        });
        const before = this.#takeBefore(other, from, isEnd);
        if (flow.wordAt(POINTS + to * 2) === point) {
          this.#setBefore(flow, to, false, before);
        } else if (flow.wordAt(POINTS + to * 2 + 1) === point) {
          this.#setBefore(flow, to, true, before);
        }
      }
    }
  }

  /** A connection uses the tuples of one that is over: its packets come after that one's. */
  succeed(over: Flow, flow: Flow): void {
    for (const direction of [ORIGINAL, REPLY] as const) {
      for (const isEnd of [false, true]) {
        const point = over.wordAt(POINTS + direction * 2 + (isEnd ? 1 : 0));
        if (point === 0) {
          continue;
        }
        const offset = isEnd ? DESTINATION_PACKETS : SOURCE_PACKETS;
        const old = this.#before.get(key(over, direction, isEnd));
        const before = {
          packets: (old?.packets ?? 0) - over.count(direction, offset),
          bytes: isEnd ? 0 : (old?.bytes ?? 0) - over.count(direction, SOURCE_BYTES),
          first: this.#epoch(over, direction, isEnd),
          foreignFlags: true,
        };
        if (isEnd) {
          this.#setDestination(flow, direction, point, 0, before.first);
        } else {
          this.#setSource(flow, direction, point, { packets: 0, bytes: 0, first: before.first });
        }
        this.#setBefore(flow, direction, isEnd, before);
      }
    }
  }

  /** Whether a direction was counted before the other. */
  isEarlier(flow: Flow, direction: DirectionIndex): boolean {
    return flow.count(direction, SOURCE_FIRST) < flow.count(opposite(direction), SOURCE_FIRST);
  }

  /** What was the original direction is the reply, and the other way round. */
  turn(flow: Flow): void {
    const befores = [false, true].map((isEnd) => [
      this.#takeBefore(flow, ORIGINAL, isEnd),
      this.#takeBefore(flow, REPLY, isEnd),
    ]);
    for (let offset = SOURCE_PACKETS; offset <= DESTINATION_FIRST; offset++) {
      const original = flow.count(ORIGINAL, offset);
      flow.setCount(ORIGINAL, offset, flow.count(REPLY, offset));
      flow.setCount(REPLY, offset, original);
    }
    for (const end of [0, 1]) {
      const original = flow.wordAt(POINTS + end);
      flow.word(POINTS + end, flow.wordAt(POINTS + 2 + end));
      flow.word(POINTS + 2 + end, original);
      this.#setBefore(flow, ORIGINAL, end === 1, befores[end]?.[1] ?? null);
      this.#setBefore(flow, REPLY, end === 1, befores[end]?.[0] ?? null);
    }
  }

  forget(flow: Flow): void {
    if (this.#before.size > 0) {
      for (const direction of [ORIGINAL, REPLY] as const) {
        this.#takeBefore(flow, direction, false);
        this.#takeBefore(flow, direction, true);
      }
    }
  }

  /** A count that only grows, unless the device began anew: then it goes on from there. */
  #advance(flow: Flow, direction: DirectionIndex, isEnd: boolean, count: DeviceCount): boolean {
    const offset = isEnd ? DESTINATION_PACKETS : SOURCE_PACKETS;
    const known = flow.count(direction, offset);
    const epoch = this.#epoch(flow, direction, isEnd);
    let before = this.#before.get(key(flow, direction, isEnd)) ?? null;
    if (count.first < epoch) {
      return false;
    }
    if (count.first > epoch) {
      const bytes = isEnd ? 0 : flow.count(direction, SOURCE_BYTES);
      before = { packets: known, bytes, first: count.first, foreignFlags: false };
      this.#setBefore(flow, direction, isEnd, before);
    }
    const packets = count.packets + (before?.packets ?? 0);
    if (packets <= known) {
      return false;
    }
    flow.setCount(direction, offset, packets);
    if (!isEnd) {
      flow.setCount(direction, SOURCE_BYTES, count.bytes + (before?.bytes ?? 0));
    }
    return true;
  }

  /** When the newest count of a device began. */
  #epoch(flow: Flow, direction: DirectionIndex, isEnd: boolean): number {
    const before =
      this.#before.size === 0 ? undefined : this.#before.get(key(flow, direction, isEnd));
    return before?.first ?? flow.count(direction, isEnd ? DESTINATION_FIRST : SOURCE_FIRST);
  }

  #setSource(flow: Flow, direction: DirectionIndex, point: number, count: DeviceCount): void {
    flow.word(POINTS + direction * 2, point);
    flow.setCount(direction, SOURCE_PACKETS, count.packets);
    flow.setCount(direction, SOURCE_BYTES, count.bytes);
    flow.setCount(direction, SOURCE_FIRST, count.first);
  }

  #setDestination(
    flow: Flow,
    direction: DirectionIndex,
    point: number,
    packets: number,
    first: number,
  ): void {
    flow.word(POINTS + direction * 2 + 1, point);
    flow.setCount(direction, DESTINATION_PACKETS, packets);
    flow.setCount(direction, DESTINATION_FIRST, first);
  }

  #takeBefore(flow: Flow, direction: DirectionIndex, isEnd: boolean): Before | null {
    if (this.#before.size === 0) {
      return null;
    }
    const at = key(flow, direction, isEnd);
    const before = this.#before.get(at) ?? null;
    this.#before.delete(at);
    return before;
  }

  #setBefore(flow: Flow, direction: DirectionIndex, isEnd: boolean, before: Before | null): void {
    if (before !== null) {
      this.#before.set(key(flow, direction, isEnd), before);
    }
  }
}

/** Whether a packet passes one place before the other; of one instant, it comes in before it leaves. */
function isBefore(first: number, point: number, otherFirst: number, otherPoint: number): boolean {
  if (first !== otherFirst) {
    return first < otherFirst;
  }
  return isIncoming(point) && !isIncoming(otherPoint);
}

function key(flow: Flow, direction: DirectionIndex, isEnd: boolean): number {
  return flow.slot * 4 + direction * 2 + (isEnd ? 1 : 0);
}
