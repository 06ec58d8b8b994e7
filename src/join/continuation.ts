import { type DecodedPacket, OUTER_NONE, OUTER_WIREGUARD } from '../packet/decoded-packet.js';
import { HOOK_INPUT, HOOK_OUTPUT } from '../packet/netfilter-hook.js';
import { PROTO_UDP } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import { isSameEncrypted, mayBeEncryptionOf } from './encrypted.js';
import { isSamePacket } from './identity.js';
import type { Path } from './path.js';
import { NO_HOOK } from './place.js';
import type { Tuple } from './tuple.js';

/** Whether a snapshot of a buffer belongs to the packet last seen in it. */
export function continues(path: Path, p: DecodedPacket, hop: TrailCursor): boolean {
  const drop = hop.stage === layout.STAGE_DROP;
  if (path.isOverAt(hop.time) && !(drop && path.delivered && !path.dropped)) {
    return false;
  }
  if (isBackAtStart(path, p, hop) || isSentAnew(path, p, hop)) {
    return false;
  }
  if (path.encrypted !== null && p.outerType === OUTER_WIREGUARD) {
    return isSameEncrypted(path.encrypted, p);
  }
  if (isSamePacket(path, p)) {
    return true;
  }
  // At a drop the network header may point anywhere; what cannot be read cannot
  // speak against the buffer's address.
  if (drop && (p.family === 0 || p.error !== 0 || p.truncated)) {
    return true;
  }
  return p.outerType === OUTER_WIREGUARD && mayBeEncryptionOf(path, p);
}

/**
 * Whether the buffer is where its packet was first seen, and no router has taken from the TTL in
 * between: another packet begins there, which may be like the one before to the last byte.
 */
function isBackAtStart(path: Path, p: DecodedPacket, hop: TrailCursor): boolean {
  const { columns, lastPlace } = path;
  const first = columns.place[0];
  // Where an id, a sequence number or what is encrypted distinguishes packets, these do it better.
  const hasIdentity = p.protocol !== PROTO_UDP || p.ipId > 0 || p.outerType !== OUTER_NONE;
  return (
    path.encrypted === null &&
    columns.length > 1 &&
    first !== undefined &&
    first !== lastPlace &&
    first.stage === hop.stage &&
    first.hook === hop.hook &&
    (hop.hook === NO_HOOK || first.priority === hop.priority) &&
    first.device.ifindex === hop.ifindex &&
    first.device.netns === hop.netns &&
    columns.ttl[0] === p.ttl &&
    hop.time > (columns.time[columns.length - 1] as number) &&
    (!hasIdentity || hasOtherPorts(path, p, hop))
  );
}

/**
 * Whether a packet is sent where nothing led the buffer's packet to: in another namespace, or where
 * it was received, but by another source. Only what a socket sends passes OUTPUT, and what IPVS or a
 * tunnel sends on from where it was received; IPVS translates its source later, if at all
 * (net/netfilter/ipvs/ip_vs_xmit.c).
 */
function isSentAnew({ columns }: Path, p: DecodedPacket, hop: TrailCursor): boolean {
  if (hop.hook !== HOOK_OUTPUT || hop.stage !== layout.STAGE_NETFILTER) return false;
  const index = columns.indexAt(hop.time);
  const before = columns.place[index];
  if (before === undefined) return false;
  if (before.device.netns !== hop.netns) return true;
  return before.hook === HOOK_INPUT && hasOtherSource(columns.headers[index]?.tuple ?? null, p);
}

function hasOtherSource(tuple: Tuple | null, p: DecodedPacket): boolean {
  return (
    hasPortsInClear(p) &&
    tuple !== null &&
    (tuple.sport !== p.sport ||
      tuple.src3 !== p.src3 ||
      tuple.src2 !== p.src2 ||
      tuple.src1 !== p.src1 ||
      tuple.src0 !== p.src0)
  );
}

/**
 * Whether a packet comes where another was first seen in its buffer, with other ports. What is at
 * the same hook still may be the same: what IPVS translates passes OUTPUT twice
 * (net/netfilter/ipvs/ip_vs_xmit.c).
 */
function hasOtherPorts(path: Path, p: DecodedPacket, hop: TrailCursor): boolean {
  const tuple = path.columns.headers[0]?.tuple ?? null;
  return (
    (hop.hook === NO_HOOK || hop.hook !== path.lastPlace?.hook) &&
    hasPortsInClear(p) &&
    tuple !== null &&
    (tuple.sport !== p.sport || tuple.dport !== p.dport)
  );
}

/** Whether its ports are those of the packet itself, and not of what a tunnel put around it. */
function hasPortsInClear(p: DecodedPacket): boolean {
  return p.outerType === OUTER_NONE && p.sport >= 0;
}
