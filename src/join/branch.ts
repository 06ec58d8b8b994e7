import { type DecodedPacket, OUTER_NONE } from '../packet/decoded-packet.js';
import { HOOK_OUTPUT } from '../packet/netfilter-hook.js';
import { PROTO_TCP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import { identityKey, isSamePacket } from './identity.js';
import type { OpenPaths } from './open-paths.js';
import { tupleOf } from './packet-tuple.js';
import { ORIGIN_CLONE, ORIGIN_FRAGMENT, ORIGIN_SEGMENT, type Path } from './path.js';
import type { Place } from './place.js';
import type { TupleTable } from './tuple-table.js';

/** A copy seen this long after its original is another packet, ns. */
const COPY_WINDOW_NS = 1e9;

export interface Branch {
  readonly path: Path;
  /** ORIGIN_* */
  readonly origin: number;
}

/**
 * The open path that goes on in a buffer not seen before: the kernel copied the
 * packet, or cloned it and released the original.
 */
export function copyOf(
  open: OpenPaths,
  hop: TrailCursor,
  p: DecodedPacket,
  tuples: TupleTable,
): Path | null {
  if (p.fragmentOffset > 0) {
    return null;
  }
  const { head } = hop;
  const byHead = open.byHead.get(head);
  if (byHead?.freed && byHead.endTime <= hop.time && mayGoOn(byHead, hop, p)) {
    return byHead;
  }
  const key = identityKey(p);
  const copied = key === 0 ? undefined : open.byIdentity.get(key);
  if (copied === undefined || copied.head === head || !mayGoOn(copied, hop, p)) {
    return null;
  }
  const at = copied.columns.indexAt(hop.time);
  return copied.columns.headers[at]?.tuple === tupleOf(p, null, tuples) ? copied : null;
}

/** The open path that a buffer not seen before is a clone, a segment or a fragment of. */
export function branchOf(
  open: OpenPaths,
  hop: TrailCursor,
  p: DecodedPacket,
  tuples: TupleTable,
): Branch | null {
  if (p.fragmentOffset > 0) {
    const whole = open.fragmented.get(fragmentKey(p));
    return whole === undefined ? null : { path: whole, origin: ORIGIN_FRAGMENT };
  }
  const byHead = open.byHead.get(hop.head);
  if (byHead !== undefined && mayGoOn(byHead, hop, p)) {
    return { path: branchingPoint(byHead, hop), origin: ORIGIN_CLONE };
  }
  // Segments are cut on the way into a device: one that starts elsewhere was sent again.
  if (p.protocol === PROTO_TCP && hop.stage !== layout.STAGE_NETFILTER && !open.gso.isEmpty) {
    const whole = open.gso.find(tupleOf(p, null, tuples), p, hop.time);
    // On the way up what was cut may have been merged otherwise than it was.
    const isPart = whole !== null && p.payloadLength < whole.payloadLength;
    if (whole !== null && (isPart || hop.stage === layout.STAGE_INGRESS)) {
      return { path: whole, origin: ORIGIN_SEGMENT };
    }
  }
  return null;
}

/** The hops a branch shares: those before the place where it is first seen itself. */
export function hopsBefore(path: Path, place: Place, time: number): number {
  const { columns } = path;
  const before = columns.indexAt(time) + 1;
  for (let at = 0; at < before; at++) {
    const one = columns.place[at] as Place;
    if (one.device === place.device && one.stage === place.stage && one.hook === place.hook) {
      return at;
    }
  }
  return before;
}

/** What the fragments of one packet have in common (RFC 791, RFC 8200). */
export function fragmentKey(p: DecodedPacket): string {
  return `${p.family}:${p.protocol}:${p.src3}:${p.dst3}:${p.src0}:${p.dst0}:${p.ipId}`;
}

/** Whether a path stood, at the time of a hop, where a copy of its packet would carry on. */
function mayGoOn(path: Path, hop: TrailCursor, p: DecodedPacket): boolean {
  const at = path.columns.indexAt(hop.time);
  const isOver = path.endTime <= hop.time;
  if (
    at < 0 ||
    (isOver && (path.delivered || path.dropped)) ||
    !isSamePacket(path, p) ||
    hop.time - (isOver ? path.endTime : (path.columns.time[at] as number)) > COPY_WINDOW_NS
  ) {
    return false;
  }
  // A retransmission also shares data and sequence number, but starts at the source.
  return !(hop.hook === HOOK_OUTPUT && p.outerType === OUTER_NONE);
}

/**
 * Of a packet and those it was cloned from, the newest that can have got to where
 * another clone shows up: what a bridge floods starts at the bridge each time.
 */
function branchingPoint(newest: Path, hop: TrailCursor): Path {
  for (let path: Path | null = newest; path !== null; path = path.parent) {
    const last = path.columns.place[path.columns.indexAt(hop.time)];
    if (last === undefined || path.origin > ORIGIN_CLONE) {
      break;
    }
    const sentElsewhere =
      last.stage === layout.STAGE_EGRESS &&
      hop.stage === layout.STAGE_EGRESS &&
      last.device.kind === 'veth' &&
      last.device.ifindex !== hop.ifindex;
    if (last.device.netns === hop.netns && !sentElsewhere) {
      return path;
    }
  }
  return newest;
}
