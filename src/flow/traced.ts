import type { PathVerdict } from 'hopscope-protocol';
import type { Device } from '../join/device-table.js';
import type { Tuple } from '../join/tuple.js';
import type { DirectionIndex } from './direction-index.js';
import type { Histogram } from './histogram.js';
import type { Leg } from './leg.js';
import { ENTRY_BYTES, EVIDENCE_BYTES, MtuEvidence } from './mtu-evidence.js';
import { START_UNKNOWN } from './path-start.js';
import type { Shape } from './shape.js';
import type { TcpHealth } from './tcp-health.js';

/** Estimated bytes of a Traced with both directions, before their legs; see flow-size.ts. */
export const TRACED_BYTES = 560;

export interface FlowEncapsulation {
  readonly type: number;
  readonly src: string;
  readonly dst: string;
  readonly vni: number;
  readonly greKey: number;
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
  /** Smallest room for an inner IP packet among the devices passed, bytes, and whose it is; 0 unknown. */
  pathMtu = 0;
  narrowest: Device | null = null;
  /** MSS of its SYN as sent; -1 where none was seen. */
  mss = -1;
  /** Bytes of TCP payload in its largest segment; of a GSO packet, in one segment of it. */
  segment = 0;
  /** GSO packets, and the segments that they stand for. */
  gsoPackets = 0;
  gsoSegments = 0;
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
  fragmentsSeen = false;
  /** An ICMP error came back that says what fits. */
  icmpTooBigSeen = false;
  /** Packets vanished for their size, and their sender was not notified. */
  blackholeSeen = false;
  mtu: MtuEvidence | null = null;
  /** null before its first TCP segment. */
  tcp: TcpHealth | null = null;
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

  /** Keeps more evidence of a kind; false where there are `limit` of it already. */
  addEvidence<T>(kind: T[], limit: number, evidence: T): boolean {
    if (kind.length >= limit) return false;
    kind.push(evidence);
    this.bytes += ENTRY_BYTES;
    return true;
  }

  /** What happened to its packets for their size, made for the first of them. */
  makeMtuEvidence(): MtuEvidence {
    if (this.mtu === null) {
      this.mtu = new MtuEvidence();
      this.bytes += EVIDENCE_BYTES;
    }
    return this.mtu;
  }

  /** null before its first path. */
  direction(index: DirectionIndex): TracedDirection | null {
    return this.#directions[index];
  }

  /** Nothing more comes: of the times at each leg their quantiles are enough. */
  settle(): void {
    for (const direction of this.#directions) {
      for (const leg of direction?.legs ?? []) {
        this.bytes -= leg.latency?.settle() ?? 0;
      }
    }
  }

  makeDirection(index: DirectionIndex): TracedDirection {
    const made = new TracedDirection();
    this.#directions[index] = made;
    return made;
  }
}
