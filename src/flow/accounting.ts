import type { PathVerdict } from 'hopscope-protocol';
import type { Headers } from '../join/headers.js';
import { ORIGIN_FIRST_SEEN, ORIGIN_FRAGMENT, type Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import type { DirectionIndex } from './direction-index.js';
import type { DropMeaning } from './drop-meaning.js';
import type { Flow } from './flow.js';
import type { FlowCounters } from './flow-counters.js';
import { ENCAPSULATION_BYTES, REASON_BYTES } from './flow-size.js';
import { HISTOGRAM_BYTES, Histogram } from './histogram.js';
import type { Leg } from './leg.js';
import { Legs } from './legs.js';
import { MtuWatch } from './mtu-watch.js';
import { pathStart, START_UNKNOWN } from './path-start.js';
import { NO_LEG, TIME_ONLY } from './shape.js';
import { noteTcpHealth } from './tcp-health.js';
import type { Traced, TracedDirection } from './traced.js';
import type { TupleLearning } from './tuple-learning.js';

export const ENCAPSULATION_LIMIT = 8;
export const REASON_LIMIT = 32;

type Outer = NonNullable<Headers['outer']>;

const IPV6_FRAGMENT_HEADER = 8;

/** Puts a path to the account of its flow: packets, bytes, drops, legs, MTU, tunnels. */
export class Accounting {
  readonly #counters: FlowCounters;
  readonly #legs: Legs;
  readonly #learning: TupleLearning;
  readonly #mtu: MtuWatch;
  readonly #meaningOf: (reason: number) => DropMeaning;

  constructor(
    counters: FlowCounters,
    learning: TupleLearning,
    meaningOf: (reason: number) => DropMeaning,
  ) {
    this.#counters = counters;
    this.#legs = new Legs(counters);
    this.#learning = learning;
    this.#meaningOf = meaningOf;
    this.#mtu = new MtuWatch(counters, meaningOf);
  }

  add(flow: Flow, traced: Traced, index: DirectionIndex, path: Path, verdict: PathVerdict): void {
    const direction = traced.direction(index) ?? traced.makeDirection(index);
    const reason = path.columns.drop?.reason ?? 0;
    const isDuplicate = path.dropped && this.#meaningOf(reason) === 'duplicate';
    this.#addPacket(traced, direction, path, verdict, isDuplicate);
    if (path.dropped) {
      direction.drops += 1;
      this.#addDrop(traced, reason);
    }
    this.#addHops(flow, traced, index, direction, path);
    const { columns } = path;
    const firstPlace = columns.place[0] as Place;
    if (direction.first === null || pathStart(path) > START_UNKNOWN) {
      direction.first = firstPlace.device;
    }
    if (verdict === 'delivered') {
      direction.last = (columns.place[columns.length - 1] as Place).device;
    }
    const { gsoSize, gsoSegs } = columns.headers[0] as Headers;
    let size = path.ipLength;
    if (gsoSize > 0 && path.payloadLength > gsoSize) {
      size += gsoSize - path.payloadLength;
      if (path.origin === ORIGIN_FIRST_SEEN) {
        direction.gsoPackets += 1;
        direction.gsoSegments += gsoSegs;
      }
    }
    if (path.fragment) {
      traced.fragmentsSeen = true;
      size = Math.max(size, reassembledLength(path));
    }
    flow.noteLargest(index, size);
    this.#mtu.note(traced, index, direction, path, verdict, size);
    noteTcpHealth(traced, index, path, verdict, isDuplicate, this.#counters);
  }

  #addPacket(
    traced: Traced,
    direction: TracedDirection,
    path: Path,
    verdict: PathVerdict,
    isDuplicate: boolean,
  ): void {
    const isPacket = path.origin === ORIGIN_FIRST_SEEN;
    if (isPacket) {
      direction.packets += 1;
      direction.bytes += path.ipLength - fragmentHeader(path);
    } else if (
      path.origin === ORIGIN_FRAGMENT &&
      path.inherited === 0 &&
      path.parent?.fragmentedAt === 0
    ) {
      // The packet was never seen whole, so its bytes are those of its fragments.
      direction.bytes += path.payloadLength;
    }
    if (isPacket && path.cutByWindow === 0) {
      traced.paths += 1;
    }
    if (path.gap || path.hopsCut > 0) {
      traced.cut += 1;
    }
    const isEnd = (path.children === 0 && path.cutByWindow === 0) || verdict === 'dropped';
    // A copy of what had arrived says nothing of what becomes of the flow's packets.
    if (isEnd && !isDuplicate) {
      // The end of a packet that was fragmented or segmented is that of its parts.
      traced.lastVerdict = verdict;
    }
    if (isPacket && verdict !== 'dropped' && path.cutByWindow === 0) {
      const { time, length } = path.columns;
      if (direction.latency === null) {
        direction.latency = new Histogram();
        traced.bytes += HISTOGRAM_BYTES;
      }
      traced.bytes += direction.latency.add((time[length - 1] as number) - (time[0] as number));
    }
  }

  #addHops(
    flow: Flow,
    traced: Traced,
    index: DirectionIndex,
    direction: TracedDirection,
    path: Path,
  ): void {
    const { legOf } = this.#legs.shapeOf(traced, direction, path);
    const { legs } = direction;
    const { length, place: places, headers: allHeaders, time: times, mtu: mtus } = path.columns;
    let last: Headers | null = null;
    let lastNetns = -1;
    let previousTime = -1;
    let grown = 0;
    for (let i = 0; i < length; i++) {
      const place = places[i] as Place;
      const headers = allHeaders[i] as Headers;
      const { netns } = place.device;
      if (headers !== last || netns !== lastNetns) {
        const { tuple } = headers;
        if (tuple !== null && (tuple !== last?.tuple || netns !== lastNetns)) {
          this.#learning.bind(flow, index, tuple, netns, path);
        }
        last = headers;
        lastNetns = netns;
      }
      const at = legOf[i] as number;
      if (at === NO_LEG) {
        continue;
      }
      const time = times[i] as number;
      if (at !== TIME_ONLY) {
        const leg = legs[at] as Leg;
        leg.packets += 1;
        leg.bytes += headers.ipLength;
        if (previousTime >= 0 && path.cutByWindow === 0) {
          leg.latency ??= new Histogram();
          grown += leg.latency.add(time - previousTime);
          leg.sample?.add(time - previousTime);
        }
        const { outer } = headers;
        const mtu = mtus[i] as number;
        if (mtu > 0 && place.isDevice) {
          const room = outer === null ? mtu : mtu - outer.overhead;
          if (direction.pathMtu === 0 || room < direction.pathMtu) {
            direction.pathMtu = room;
            direction.narrowest = place.device;
          }
        }
        if (outer !== null && outer !== leg.outer) {
          leg.outer = outer;
          this.#addOuter(traced, outer);
        }
      }
      previousTime = time;
    }
    traced.bytes += grown;
  }

  #addOuter(traced: Traced, outer: Outer): void {
    const known = traced.encapsulations ?? [];
    const isKnown = known.some(
      (e) =>
        e.type === outer.type &&
        e.src === outer.src &&
        e.dst === outer.dst &&
        e.vni === outer.vni &&
        e.greKey === outer.greKey,
    );
    if (isKnown) {
      return;
    }
    if (known.length >= ENCAPSULATION_LIMIT) {
      this.#counters.encapsulationsRefused += 1;
      return;
    }
    const { type, src, dst, vni, greKey, overhead } = outer;
    known.push({ type, src, dst, vni, greKey, overhead });
    traced.encapsulations = known;
    traced.bytes += ENCAPSULATION_BYTES;
  }

  #addDrop(traced: Traced, reason: number): void {
    traced.reasons ??= new Map();
    const count = traced.reasons.get(reason);
    if (count === undefined && traced.reasons.size >= REASON_LIMIT) {
      this.#counters.reasonsRefused += 1;
      return;
    }
    traced.reasons.set(reason, (count ?? 0) + 1);
    traced.bytes += count === undefined ? REASON_BYTES : 0;
  }
}

/** Bytes of the header that an IPv6 packet has only because its source fragmented it (RFC 8200, 4.5). */
function fragmentHeader(path: Path): number {
  return path.family === 6 && path.fragmentedAt === 0 ? IPV6_FRAGMENT_HEADER : 0;
}

/** Bytes of the IP packet where its fragments were reassembled on the way; 0 where they were not. */
function reassembledLength({ columns }: Path): number {
  let largest = 0;
  for (let at = 0; at < columns.length; at++) {
    const { ipLength, gsoSize, fragmentOffset } = columns.headers[at] as Headers;
    if (fragmentOffset < 0 && gsoSize === 0 && ipLength > largest) {
      largest = ipLength;
    }
  }
  return largest;
}
