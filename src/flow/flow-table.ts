import { ownConntrack as own } from '../join/conntrack.js';
import { isReply } from '../join/direction.js';
import type { Hop } from '../join/hop.js';
import type { Outer } from '../join/outer.js';
import { ORIGIN_FIRST_SEEN, ORIGIN_FRAGMENT, type Path } from '../join/path.js';
import type { Received } from '../join/relays.js';
import { PROTOCOL_ARP, type Tuple, type TupleTable } from '../join/tuple.js';
import { verdictOf } from '../join/verdict.js';
import type { PathVerdict } from '../model/records.js';
import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import { bind, findBinding, unbind } from './binding.js';
import {
  type DirectionIndex,
  type FinishedPath,
  Flow,
  type FlowDirection,
  LEG_LIMIT,
  Leg,
  ORIGINAL,
  PROXIED_LIMIT,
  REPLY,
} from './flow.js';
import { Histogram } from './histogram.js';
import { IdentifierHash } from './identifier.js';
import { pathStart, START_SOCKET, START_UNKNOWN } from './path-start.js';
import { RecentPaths } from './recent-paths.js';

/** Flows kept; one past it the one longest without a packet goes. */
export const FLOW_LIMIT = 65_536;
/** Ended flows remembered by id, for readers that come to ask what went. */
export const REMOVED_LIMIT = 65_536;
const ENCAPSULATION_LIMIT = 8;
const REASON_LIMIT = 32;
const KEY_LIMIT = 64;

const SECOND = 1e9;
/** How long a flow stays without a packet, by state, nanoseconds. */
export const IDLE_NS = {
  closed: 10 * SECOND,
  closing: 60 * SECOND,
  tcpActive: 600 * SECOND,
  tcpNew: 120 * SECOND,
  other: 60 * SECOND,
} as const;

const TCP_FIN = 0x01;
const TCP_SYN = 0x02;
const TCP_RST = 0x04;
const TCP_ACK = 0x10;
const ICMP_DEST_UNREACHABLE = 3;
const ICMP_FRAGMENTATION_NEEDED = 4;
const ICMPV6_PACKET_TOO_BIG = 2;
const ICMPV6_LISTENER_QUERY = 130;
const ICMPV6_REDIRECT = 137;
const ICMPV6_LISTENER_REPORT_V2 = 143;

export interface FlowCounters {
  /** Flows dropped from the full table before their time. */
  evicted: number;
  /** Flows that ended by age. */
  expired: number;
  /** Paths that could not be put to any flow (neighbour talk and what could not be read). */
  unassigned: number;
  /** Keys, legs and encapsulations past their limits. */
  refused: number;
}

/** Flows from finished paths. Pure: time is the paths' and what `age` is told. */
export class FlowTable {
  readonly counters: FlowCounters = { evicted: 0, expired: 0, unassigned: 0, refused: 0 };
  readonly #tuples: TupleTable;
  readonly #limit: number;
  readonly #removedLimit: number;
  readonly #limited: boolean;
  readonly #isTooBig: (reason: number) => boolean;
  readonly #onRemove: (flow: Flow) => void;
  readonly #flows = new Map<string, Flow>();
  readonly #recent = new RecentPaths();
  readonly #removed: { id: string; version: number }[] = [];
  #version = 0;
  #removedBefore = 0;
  #oldest: Flow | null = null;
  #newest: Flow | null = null;

  constructor(
    tuples: TupleTable,
    options: {
      limit?: number;
      removedLimit?: number;
      /** Whether some namespaces are left out of the observation on purpose. */
      limited?: boolean;
      /** Whether a drop reason means "larger than the MTU". */
      isTooBig?: (reason: number) => boolean;
      onRemove?: (flow: Flow) => void;
    } = {},
  ) {
    this.#tuples = tuples;
    this.#limit = options.limit ?? FLOW_LIMIT;
    this.#removedLimit = options.removedLimit ?? REMOVED_LIMIT;
    this.#limited = options.limited ?? false;
    this.#isTooBig = options.isTooBig ?? (() => false);
    this.#onRemove = options.onRemove ?? (() => undefined);
  }

  get size(): number {
    return this.#flows.size;
  }

  get version(): number {
    return this.#version;
  }

  get(id: string): Flow | undefined {
    return this.#flows.get(id);
  }

  /** Puts a finished path to its flow, making the flow when it is the first. */
  add(path: Path): FinishedPath {
    const verdict = verdictOf(path, this.#limited);
    const first = path.hops[0];
    const tuple = path.quoted ?? first?.tuple ?? null;
    if (first === undefined || tuple === null || isNeighbourTalk(path, tuple)) {
      this.counters.unassigned += 1;
      return { path, verdict, flow: null, direction: ORIGINAL, slot: -1 };
    }
    if (path.quoted !== null) {
      return this.#addError(path, path.quoted, verdict);
    }
    const found = this.#find(path);
    const flow = found?.flow ?? this.#create(path, first);
    const direction = found?.direction ?? (isReply(path) ? REPLY : ORIGINAL);
    this.#learnTuples(flow, direction, path, verdict);
    const finished: FinishedPath = { path, verdict, flow, direction, slot: -1 };
    this.#account(flow, direction, path, verdict);
    if (path.openedFor !== null && direction === ORIGINAL) {
      this.#link(flow, path.openedFor);
    }
    this.#recent.add(flow, finished);
    this.#touch(flow, path.lastTime);
    return finished;
  }

  /** Removes what has been idle too long by `now` (source's epoch, ns). */
  age(now: number): void {
    for (let flow = this.#oldest; flow !== null; ) {
      const newer: Flow | null = flow.newer;
      if (now - flow.last > SECOND * 600) {
        this.counters.expired += 1;
        this.#remove(flow);
      } else if (now - flow.last > idleLimit(flow)) {
        this.counters.expired += 1;
        this.#remove(flow);
      } else if (now - flow.last < IDLE_NS.closed) {
        // The list is in the order of change: all that follow are younger.
        break;
      }
      flow = newer;
    }
  }

  /** Flows changed after `version`, the oldest change first. */
  changedSince(version: number): Flow[] {
    const changed: Flow[] = [];
    for (let flow = this.#newest; flow !== null && flow.version > version; flow = flow.older) {
      changed.push(flow);
    }
    return changed.reverse();
  }

  /** Ids removed after `version`; null when that is too long ago to tell. */
  removedSince(version: number): string[] | null {
    if (version < this.#removedBefore) {
      return null;
    }
    const ids: string[] = [];
    for (let i = this.#removed.length - 1; i >= 0; i--) {
      const entry = this.#removed[i];
      if (entry === undefined || entry.version <= version) {
        break;
      }
      ids.push(entry.id);
    }
    return ids.reverse();
  }

  #find(path: Path): { flow: Flow; direction: DirectionIndex } | null {
    let lastTuple: Tuple | null = null;
    let lastNetns = -1;
    for (const hop of path.hops) {
      const netns = hop.device.netns;
      if (hop.tuple === null || (hop.tuple === lastTuple && netns === lastNetns)) {
        continue;
      }
      lastTuple = hop.tuple;
      lastNetns = netns;
      const binding = findBinding(hop.tuple, netns);
      if (binding === null) {
        continue;
      }
      if (startsAnew(path, binding.flow, binding.direction)) {
        unbind(binding.flow);
        continue;
      }
      return binding;
    }
    return null;
  }

  #create(path: Path, first: Hop): Flow {
    const tuple = first.tuple as Tuple;
    const reply = isReply(path);
    const original = reply ? conntrackOriginal(path, this.#tuples) : tuple;
    const id = new IdentifierHash()
      .text(original.src)
      .text(original.dst)
      .number(original.sport * 65536 + original.dport)
      .number(original.protocol)
      .number(first.device.netns)
      .number(first.time)
      .hex();
    if (this.#flows.size >= this.#limit && this.#oldest !== null) {
      this.counters.evicted += 1;
      this.#remove(this.#oldest);
    }
    const flow = new Flow(id, original, first.time, path.icmpType, path.icmpCode);
    this.#flows.set(id, flow);
    return flow;
  }

  /** Binds every tuple of the path, and learns what the flow's two ends call each other. */
  #learnTuples(flow: Flow, direction: DirectionIndex, path: Path, verdict: PathVerdict): void {
    let lastTuple: Tuple | null = null;
    let lastNetns = -1;
    for (const hop of path.hops) {
      const netns = hop.device.netns;
      if (hop.tuple === null || (hop.tuple === lastTuple && netns === lastNetns)) {
        continue;
      }
      lastTuple = hop.tuple;
      lastNetns = netns;
      this.#bindBoth(flow, hop.tuple, netns, direction);
    }
    const first = path.hops[0];
    const last = path.last;
    if (first?.tuple == null || last?.tuple == null) {
      return;
    }
    const start = pathStart(path);
    if (direction === ORIGINAL) {
      if (start > flow.originalStart) {
        flow.originalStart = start;
        flow.original = first.tuple;
      }
      if (verdict === 'delivered' && flow.replyStart < START_SOCKET) {
        flow.reply = last.tuple.reversed(this.#tuples);
      }
    } else {
      if (start > flow.replyStart) {
        flow.replyStart = start;
        flow.reply = first.tuple;
      }
      if (verdict === 'delivered' && flow.originalStart === START_UNKNOWN) {
        flow.original = last.tuple.reversed(this.#tuples);
      }
    }
    if (flow.reply === null) {
      flow.reply = conntrackReply(path, direction);
    }
  }

  #bindBoth(flow: Flow, tuple: Tuple, netns: number, direction: DirectionIndex): void {
    const bound = findBinding(tuple, netns);
    if (bound !== null) {
      return;
    }
    if (flow.keys.length >= KEY_LIMIT) {
      this.counters.refused += 1;
      return;
    }
    bind(tuple, { netns, flow, direction });
    const reversed = tuple.reversed(this.#tuples);
    if (findBinding(reversed, netns) === null) {
      bind(reversed, { netns, flow, direction: direction === ORIGINAL ? REPLY : ORIGINAL });
    }
  }

  #account(flow: Flow, index: DirectionIndex, path: Path, verdict: PathVerdict): void {
    const direction = flow.directions[index];
    const counted = path.origin === ORIGIN_FIRST_SEEN;
    if (counted) {
      direction.packets += 1;
      direction.bytes += path.ipLength;
    } else if (path.origin === ORIGIN_FRAGMENT && path.parent?.fragmentedAt === 0) {
      // The packet was never seen whole, so its bytes are those of its pieces.
      direction.bytes += path.payloadLength;
    }
    if (path.dropped) {
      direction.drops += 1;
      this.#countReason(flow, path.last as Hop);
    }
    if (path.cutByWindow === 0) {
      flow.paths += 1;
    }
    if (path.gap || path.hopsCut > 0) {
      flow.lost += 1;
    }
    if ((path.children === 0 && path.cutByWindow === 0) || verdict === 'dropped') {
      // The end of a packet that went on in pieces is theirs to tell.
      flow.lastVerdict = verdict;
    }
    this.#accountLegs(flow, direction, path);
    const first = path.hops[0] as Hop;
    const last = path.last as Hop;
    if (counted && verdict !== 'dropped' && path.cutByWindow === 0) {
      direction.latency.add(last.time - first.time);
    }
    if (direction.first === null || pathStart(path) > START_UNKNOWN) {
      direction.first = first.device;
    }
    if (verdict === 'delivered') {
      direction.last = last.device;
    }
    this.#accountState(flow, index, path);
    const segment =
      first.gsoSize > 0 ? path.ipLength - path.payloadLength + first.gsoSize : path.ipLength;
    flow.largest = Math.max(flow.largest, segment);
    if (path.fragment) {
      flow.fragmentsSeen = true;
    }
  }

  #accountLegs(flow: Flow, direction: FlowDirection, path: Path): void {
    const legs = direction.legs;
    let at = 0;
    let previousKey = -1;
    let previousTime = -1;
    const { hops } = path;
    for (let i = 0; i < hops.length; i++) {
      const hop = hops[i] as Hop;
      const key = hop.device.index * 64 + hop.stage * 8 + (hop.hook & 7);
      if (key === previousKey && hop.stage === layout.STAGE_NETFILTER) {
        continue;
      }
      previousKey = key;
      if (i >= path.inherited) {
        at = this.#legIndex(direction, at, key, hop);
        const found = legs[at];
        if (found === undefined) {
          continue;
        }
        found.packets += 1;
        found.bytes += hop.ipLength;
        if (previousTime >= 0 && path.cutByWindow === 0) {
          found.latency ??= new Histogram();
          found.latency.add(hop.time - previousTime);
        }
        this.#accountMtu(flow, hop);
        if (hop.outer !== null && hop.outer !== found.outer) {
          found.outer = hop.outer;
          this.#accountOuter(flow, hop.outer);
        }
      }
      at += 1;
      previousTime = hop.time;
    }
  }

  /**
   * Where a hop's leg is: at `expected` when the packet went the way of the one
   * before it; else elsewhere (it left places out), or new. Past the limit none.
   */
  #legIndex(direction: FlowDirection, expected: number, key: number, hop: Hop): number {
    const legs = direction.legs;
    if (legs[expected]?.key === key) {
      return expected;
    }
    const elsewhere = legs.findIndex((leg) => leg.key === key);
    if (elsewhere >= 0) {
      return elsewhere;
    }
    if (legs.length >= LEG_LIMIT) {
      direction.legsRefused += 1;
      this.counters.refused += 1;
      return legs.length;
    }
    const at = Math.min(expected, legs.length);
    legs.splice(at, 0, new Leg(key, hop.device, hop.stage, hop.hook));
    return at;
  }

  #accountMtu(flow: Flow, hop: Hop): void {
    const isDevice = hop.stage === layout.STAGE_EGRESS || hop.stage === layout.STAGE_INGRESS;
    if (isDevice && hop.mtu > 0) {
      const room = hop.mtu - (hop.outer?.overhead ?? 0);
      if (flow.pathMtu === 0 || room < flow.pathMtu) {
        flow.pathMtu = room;
      }
    }
  }

  #accountOuter(flow: Flow, outer: Outer): void {
    const known = flow.encapsulations.some(
      (e) =>
        e.type === outer.type && e.src === outer.src && e.dst === outer.dst && e.vni === outer.vni,
    );
    if (known) {
      return;
    }
    if (flow.encapsulations.length >= ENCAPSULATION_LIMIT) {
      this.counters.refused += 1;
      return;
    }
    flow.encapsulations.push({
      type: outer.type,
      src: outer.src,
      dst: outer.dst,
      vni: outer.vni,
      overhead: outer.overhead,
    });
  }

  #countReason(flow: Flow, drop: Hop): void {
    const count = flow.reasons.get(drop.reason);
    if (count === undefined && flow.reasons.size >= REASON_LIMIT) {
      this.counters.refused += 1;
      return;
    }
    flow.reasons.set(drop.reason, (count ?? 0) + 1);
    if (this.#isTooBig(drop.reason)) {
      flow.tooBigDropped = true;
    }
  }

  #accountState(flow: Flow, direction: DirectionIndex, path: Path): void {
    if (path.protocol === PROTO_TCP && path.tcpFlags >= 0) {
      if ((path.tcpFlags & TCP_RST) !== 0) {
        flow.state = 'closed';
        return;
      }
      if ((path.tcpFlags & TCP_FIN) !== 0) {
        flow.finSeen |= 1 << direction;
        flow.state = flow.finSeen === 3 ? 'closed' : 'closing';
        return;
      }
    }
    if (flow.state === 'new' && flow.directions[0].packets > 0 && flow.directions[1].packets > 0) {
      flow.state = 'active';
    }
  }

  /** Puts a flow next to the one for whose sake a process opened it. */
  #link(flow: Flow, cause: Received): void {
    const found = findBinding(cause.tuple, cause.netns);
    if (
      found === null ||
      found.flow === flow ||
      found.direction !== ORIGINAL ||
      flow.proxiedFrom !== null
    ) {
      return;
    }
    const { proxiedTo } = found.flow;
    if (proxiedTo.length >= PROXIED_LIMIT) {
      proxiedTo.shift();
      this.counters.refused += 1;
    }
    proxiedTo.push(flow.id);
    flow.proxiedFrom = found.flow.id;
    this.#touch(found.flow, found.flow.last);
  }

  /** An ICMP error belongs to the flow it complains about, but is none of its packets. */
  #addError(path: Path, about: Tuple, verdict: FinishedPath['verdict']): FinishedPath {
    let flow: Flow | null = null;
    let direction: DirectionIndex = REPLY;
    for (const hop of path.hops) {
      const binding = findBinding(about, hop.device.netns);
      if (binding !== null) {
        flow = binding.flow;
        direction = binding.direction === ORIGINAL ? REPLY : ORIGINAL;
        break;
      }
    }
    const finished: FinishedPath = { path, verdict, flow, direction, slot: -1 };
    if (flow === null) {
      this.counters.unassigned += 1;
      return finished;
    }
    const tooBig =
      (path.protocol === PROTO_ICMP &&
        path.icmpType === ICMP_DEST_UNREACHABLE &&
        path.icmpCode === ICMP_FRAGMENTATION_NEEDED) ||
      (path.protocol === PROTO_ICMPV6 && path.icmpType === ICMPV6_PACKET_TOO_BIG);
    if (tooBig) {
      flow.icmpTooBigSeen = true;
      if (path.icmpMtu > 0 && (flow.pathMtu === 0 || path.icmpMtu < flow.pathMtu)) {
        flow.pathMtu = path.icmpMtu;
      }
    }
    this.#recent.add(flow, finished);
    this.#touch(flow, path.lastTime);
    return finished;
  }

  #touch(flow: Flow, time: number): void {
    flow.last = Math.max(flow.last, time);
    flow.version = ++this.#version;
    if (this.#newest === flow) {
      return;
    }
    this.#unlink(flow);
    flow.older = this.#newest;
    if (this.#newest !== null) {
      this.#newest.newer = flow;
    }
    this.#newest = flow;
    this.#oldest ??= flow;
  }

  #unlink(flow: Flow): void {
    if (flow.older !== null) {
      flow.older.newer = flow.newer;
    } else if (this.#oldest === flow) {
      this.#oldest = flow.newer;
    }
    if (flow.newer !== null) {
      flow.newer.older = flow.older;
    } else if (this.#newest === flow) {
      this.#newest = flow.older;
    }
    flow.older = null;
    flow.newer = null;
  }

  #remove(flow: Flow): void {
    this.#unlink(flow);
    unbind(flow);
    this.#flows.delete(flow.id);
    this.#recent.drop(flow);
    this.#removed.push({ id: flow.id, version: ++this.#version });
    if (this.#removed.length > this.#removedLimit) {
      // An eighth at once: taking one off the front of a long array costs as much.
      const dropped = this.#removed.splice(0, Math.max(1, this.#removedLimit >> 3));
      this.#removedBefore = dropped[dropped.length - 1]?.version ?? this.#removedBefore;
    }
    this.#onRemove(flow);
  }
}

/**
 * ARP, IPv6 neighbour discovery (RFC 4861) and who listens to which group (RFC 2710,
 * RFC 3810): talk of links, not connections.
 */
function isNeighbourTalk(path: Path, tuple: Tuple): boolean {
  return (
    tuple.protocol === PROTOCOL_ARP ||
    (tuple.protocol === PROTO_ICMPV6 &&
      ((path.icmpType >= ICMPV6_LISTENER_QUERY && path.icmpType <= ICMPV6_REDIRECT) ||
        path.icmpType === ICMPV6_LISTENER_REPORT_V2))
  );
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

/**
 * Whether a path bears a tuple of a connection that is over: a SYN on one that was
 * closed, or a packet of another source that was given the same translated port.
 */
function startsAnew(path: Path, flow: Flow, direction: DirectionIndex): boolean {
  if (direction !== ORIGINAL) {
    return false;
  }
  const isSyn = path.protocol === PROTO_TCP && (path.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
  return (
    (isSyn && flow.state === 'closed') ||
    (flow.originalStart === START_SOCKET &&
      pathStart(path) === START_SOCKET &&
      path.hops[0]?.tuple !== flow.original)
  );
}

/** The original tuple of a connection first seen by an answer. */
function conntrackOriginal(path: Path, tuples: TupleTable): Tuple {
  let original: Tuple | null = null;
  for (const hop of path.hops) {
    // The last node on the way is nearest to who began it.
    original = ownConntrack(hop)?.original ?? original;
  }
  const last = (path.last as Hop).tuple as Tuple;
  return original ?? last.reversed(tuples);
}

/** What an answer will look like when it leaves, according to the last node on the way. */
function conntrackReply(path: Path, direction: DirectionIndex): Tuple | null {
  let reply: Tuple | null = null;
  for (const hop of path.hops) {
    const seen = ownConntrack(hop)?.reply ?? null;
    if (seen !== null) {
      reply = direction === ORIGINAL ? seen : (reply ?? seen);
    }
  }
  return reply;
}

function ownConntrack(hop: Hop) {
  return own(hop.headers, hop.ct);
}
