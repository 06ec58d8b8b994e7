import { type Conntrack, CT_IS_REPLY, CT_UNTRACKED } from '../join/conntrack.js';
import type { Headers } from '../join/headers.js';
import { nextOwnConntrack } from '../join/own-conntrack.js';
import type { Path } from '../join/path.js';
import type { Place } from '../join/place.js';
import { PROTOCOL_ARP, type Tuple } from '../join/tuple.js';
import { isLinkTalk } from '../packet/icmpv6.js';
import { PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import { TCP_ACK, TCP_SYN } from '../packet/tcp.js';
import type { Bindings } from './bindings.js';
import { type DirectionIndex, ORIGINAL, opposite, REPLY } from './direction-index.js';
import { findElsewhere, wentOnAt } from './elsewhere.js';
import type { Flow } from './flow.js';
import { isStartSeen, pathStart, START_SOCKET, START_UNKNOWN } from './path-start.js';

/** Finds the flow of a path by the tuples that its hops have. */
export class Matching {
  readonly #bindings: Bindings;
  /** The direction of the path that was found. */
  direction: DirectionIndex = ORIGINAL;
  /** A flow that had the path's tuple and is over; it has it no more. */
  over: Flow | null = null;

  constructor(bindings: Bindings) {
    this.#bindings = bindings;
  }

  /** The flow, with `direction` and `over` set; null when the path is a flow's first. */
  find(path: Path): Flow | null {
    const { headers, place, length } = path.columns;
    this.over = null;
    let counted: Flow | null = null;
    let last: Tuple | null = null;
    let lastNetns = -1;
    for (let i = 0; i < length; i++) {
      const { tuple } = headers[i] as Headers;
      const { netns } = (place[i] as Place).device;
      if (tuple === null || (tuple === last && netns === lastNetns)) {
        continue;
      }
      last = tuple;
      lastNetns = netns;
      const row = this.#bindings.find(tuple, netns);
      if (row < 0) {
        continue;
      }
      const flow = this.#bindings.flow(row);
      const direction = this.#bindings.direction(row, tuple);
      if (startsAnew(path, flow, direction)) {
        this.#bindings.remove(flow);
        this.over = flow;
        continue;
      }
      if (flow.traced !== null) {
        this.direction = direction;
        return flow;
      }
      // Counted so far, and part of a traced flow if there is one further on.
      if (counted === null) {
        counted = flow;
        this.direction = direction;
      }
    }
    return counted ?? (isStartSeen(path) ? null : this.#cut(path));
  }

  /** What is first seen in the middle of its way may be known at another place of it. */
  #cut(path: Path): Flow | null {
    const flow = this.#byConntrack(path);
    const { headers, time } = path.columns;
    const tuple = headers[0]?.tuple ?? null;
    if (flow !== null || tuple === null) {
      return flow;
    }
    const begun = time[0] as number;
    const row = findElsewhere(this.#bindings, tuple, null, (other) => wentOnAt(other, begun));
    if (row < 0) {
      return null;
    }
    this.direction = this.#bindings.direction(row, tuple);
    return this.#bindings.flow(row);
  }

  /** What is first seen after its translation has its own tuple in the conntrack entry alone. */
  #byConntrack(path: Path): Flow | null {
    const { columns } = path;
    for (let i = nextOwnConntrack(columns, 0); i >= 0; i = nextOwnConntrack(columns, i + 1)) {
      const entry = columns.ct[i] as Conntrack;
      if (entry.info === CT_UNTRACKED) {
        continue;
      }
      const { netns } = (columns.place[i] as Place).device;
      for (const [tuple, way] of [
        [entry.original, ORIGINAL],
        [entry.reply, REPLY],
      ] as const) {
        const row = tuple === null ? -1 : this.#bindings.find(tuple, netns);
        if (tuple !== null && row >= 0) {
          const ofTuple = this.#bindings.direction(row, tuple);
          const isSame = way === (entry.info >= CT_IS_REPLY ? REPLY : ORIGINAL);
          this.direction = isSame ? ofTuple : opposite(ofTuple);
          return this.#bindings.flow(row);
        }
      }
    }
    return null;
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
  const isSyn =
    path.protocol === PROTO_TCP &&
    path.tcpFlags >= 0 &&
    (path.tcpFlags & (TCP_SYN | TCP_ACK)) === TCP_SYN;
  if (isSyn && flow.state === 'closed' && !isCountedAlready(path, flow)) {
    return true;
  }
  const start = flow.traced?.starts[ORIGINAL] ?? START_UNKNOWN;
  return (
    start === START_SOCKET &&
    pathStart(path) === START_SOCKET &&
    !((path.columns.headers[0] as Headers).tuple?.equals(flow.original) ?? false)
  );
}

/** Whether a flow was closed by counts of packets of which this path is one. */
function isCountedAlready(path: Path, flow: Flow): boolean {
  const start = path.columns.time[0] as number;
  return flow.traced === null && start <= Math.max(flow.start, flow.last);
}

/**
 * ARP, IPv6 neighbour discovery (RFC 4861) and who listens to which group (RFC 2710,
 * RFC 3810): talk of links, not connections.
 */
export function isLinkControl(path: Path, tuple: Tuple): boolean {
  return (
    tuple.protocol === PROTOCOL_ARP ||
    (tuple.protocol === PROTO_ICMPV6 && isLinkTalk(path.icmpType))
  );
}
