import type { Device } from '../join/device-table.js';
import type { Tuple } from '../join/tuple.js';
import type { PathVerdict } from '../model/records.js';
import type { DirectionIndex } from './direction-index.js';
import type { Histogram } from './histogram.js';
import type { Leg } from './leg.js';
import { START_UNKNOWN } from './path-start.js';
import type { Shape } from './shape.js';

/** Estimated bytes of a Traced with both directions, before their legs; see flow-size.ts. */
export const TRACED_BYTES = 440;

export interface FlowEncapsulation {
  readonly type: number;
  readonly src: string;
  readonly dst: string;
  readonly vni: number;
  readonly overhead: number;
}

/** What the paths of one direction showed. */
export class TracedDirection {
  /** Packets and their IP bytes, each packet once. */
  packets = 0;
  bytes = 0;
  drops = 0;
  readonly legs: Leg[] = [];
  /** Of the newest path; null before the first. */
  shape: Shape | null = null;
  legsRefused = 0;
  /** First hop to last, nanoseconds. */
  latency: Histogram | null = null;
  /** Where its packets were first seen, and where they were delivered. */
  first: Device | null = null;
  last: Device | null = null;
}

/** What the paths of a flow showed: made for its first path, so that a flow that is only counted is small. */
export class Traced {
  readonly #directions: [TracedDirection | null, TracedDirection | null] = [null, null];
  /** How surely the flow's tuples are what its sources send: START_* of path-start.ts. */
  readonly starts: [number, number] = [START_UNKNOWN, START_UNKNOWN];
  /** The flow's tuples as objects, once somebody has asked for them. */
  original: Tuple | null = null;
  reply: Tuple | null = null;
  /** Packets seen whole, each once: those cut from them are not among them. */
  paths = 0;
  /** Paths with hops known to be missing, and packets counted that were never seen. */
  cut = 0;
  missed = 0;
  pathMtu = 0;
  fragmentsSeen = false;
  icmpTooBigSeen = false;
  tooBigDropped = false;
  lastVerdict: PathVerdict = 'unknown';
  reasons: Map<number, number> | null = null;
  encapsulations: FlowEncapsulation[] | null = null;
  /** Ids of the flow that a proxy opened this one for, and of those it opened for this one. */
  proxiedFrom: string | null = null;
  proxiedTo: string[] | null = null;
  /** Bytes of all this, estimated; see flow-size.ts. */
  bytes = TRACED_BYTES;

  /** Whether it is of packets that were seen in part, and says nothing that counts do not say. */
  get isFragmentary(): boolean {
    return this.paths === 0 && this.#directions.every((one) => (one?.drops ?? 0) === 0);
  }

  /** null before its first path. */
  direction(index: DirectionIndex): TracedDirection | null {
    return this.#directions[index];
  }

  makeDirection(index: DirectionIndex): TracedDirection {
    const made = new TracedDirection();
    this.#directions[index] = made;
    return made;
  }
}
