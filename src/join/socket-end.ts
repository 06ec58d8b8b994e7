import type { DecodedPacket } from '../packet/decoded-packet.js';
import { HOOK_INPUT } from '../packet/netfilter-hook.js';
import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import { TCP_SYN } from '../packet/tcp.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import { isSamePacket } from './identity.js';
import { endByDelivery, type OpenPaths } from './open-paths.js';
import type { Path } from './path.js';
import type { Place } from './place.js';

const REASON_NO_SOCKET = 'NO_SOCKET';
/**
 * What a socket drops after it has taken the packet, and loses nothing by: its
 * queue when it closes, and segments that bring nothing new (net/ipv4/tcp_input.c).
 */
const USED_UP_REASONS: ReadonlySet<string> = new Set([
  'QUEUE_PURGE',
  'TCP_OLD_ACK',
  'TCP_OLD_DATA',
  'TCP_OFOMERGE',
]);
/**
 * Where what a closed socket still holds is released (net/ipv4/af_inet.c, net/core/stream.c),
 * whatever the reason.
 */
const CLOSED_SOCKETS: ReadonlySet<string> = new Set([
  'inet_sock_destruct',
  'sk_stream_kill_queues',
]);
/**
 * Where the rest of a connection that is over is taken, and released without a reason
 * (net/ipv4/tcp_ipv4.c, do_time_wait).
 */
const REASON_NONE = 'NOT_SPECIFIED';
const TCP_RECEIVERS: ReadonlySet<string> = new Set(['tcp_v4_rcv', 'tcp_v6_rcv']);
/**
 * Where ICMPv6 is done with a packet. Up to 6.1 at least it gives no reason for most that it
 * has taken, and one for those it refused (net/ipv6/icmp.c).
 */
const ICMPV6_RECEIVER = 'icmpv6_rcv';
/** What raw sockets refuse a clone with (net/ipv4/raw.c). */
const CLONE_REASONS: ReadonlySet<string> = new Set([
  'SOCKET_FILTER',
  'SOCKET_RCVBUFF',
  'XFRM_POLICY',
]);
/** Fragments that were reassembled are released with the first of them, and it says so. */
const FRAGMENT_RELEASE = 'skb_release_data';

/** Names of the kernel that the records come from. */
export interface KernelNames {
  reason(reason: number): string;
  /** The function that holds an address of the kernel's text. */
  symbol(address: bigint): string | null;
}

/** What a record of kfree_skb is about. */
export type DropMeaning =
  /** A drop. */
  | 'drop'
  /** The release of a fragment that was reassembled (net/core/skbuff.c, skb_release_data). */
  | 'release'
  /** The end of a packet that was taken. */
  | 'taken'
  /** The end of a clone that nobody wanted, while the packet itself goes on. */
  | 'refused-clone';

/**
 * The kernel calls some ends in the socket layer drops though the packet, or the
 * one copy of it that counts, was taken: what a socket has used up, or never read
 * before it was closed; the end of a connection that is over already; a packet that
 * no socket but a raw one wanted, whose clone the raw one holds; and clones offered
 * to raw sockets in vain.
 *
 * @param path what is under way in the buffer
 */
export function meaningOfDrop(
  open: OpenPaths,
  hop: TrailCursor,
  p: DecodedPacket,
  path: Path | undefined,
  names: KernelNames,
): DropMeaning {
  const location = names.symbol(hop.dropLocation) ?? '';
  if (location === FRAGMENT_RELEASE) {
    return 'release';
  }
  const reason = names.reason(hop.dropReason);
  const closed = CLOSED_SOCKETS.has(location);
  const usedUp = closed || USED_UP_REASONS.has(reason);
  const held = reason === REASON_NO_SOCKET && hop.dropHolders > 1;
  const over = reason === REASON_NONE && isTakenWithoutReason(p, location);
  if (path === undefined || path.isOverAt(hop.time) || !isSamePacket(path, p)) {
    if (path?.delivered === true && usedUp) {
      return 'taken';
    }
    const original = open.byHead.get(hop.head);
    const isUnseen = original === undefined || !isSamePacket(original, p);
    if ((original === undefined && usedUp) || (isUnseen && (held || mayBeRead(p, reason)))) {
      // Nothing of it was seen, between windows say: then the reason alone has to do.
      return 'taken';
    }
    if (original === undefined || original.dropped || !isInput(original)) {
      // The packet itself was taken, and its path finished, long before.
      return closed ? 'taken' : 'drop';
    }
    // A raw socket may have read its clone already before the others were asked.
    const read = reason === REASON_NO_SOCKET && original.received;
    if (usedUp || ((held || read || over) && isSamePacket(original, p))) {
      endByDelivery(original, hop.time);
      return 'taken';
    }
    return CLONE_REASONS.has(reason) ? 'refused-clone' : 'drop';
  }
  if (!(held || usedUp || over) || !isInput(path)) {
    return 'drop';
  }
  endByDelivery(path, hop.time);
  return 'taken';
}

/**
 * Whether a packet that no socket wanted may have been read from a raw one before: ICMP is what
 * raw sockets are for, and the kernel says this of each echo reply that ping(8) reads.
 */
function mayBeRead(p: DecodedPacket, reason: string): boolean {
  return reason === REASON_NO_SOCKET && (p.protocol === PROTO_ICMP || p.protocol === PROTO_ICMPV6);
}

/**
 * Whether a drop is undone by a delivery: a raw socket had read its clone before the kernel
 * found that no other socket wanted the packet.
 */
export function isUndoneByDelivery(path: Path, time: number, names: KernelNames): boolean {
  const { columns } = path;
  return (
    columns.drop !== null &&
    names.reason(columns.drop.reason) === REASON_NO_SOCKET &&
    (columns.time[columns.length - 1] as number) > time
  );
}

/** Whether a socket can be what comes next: what is sent meets a device before. */
export function isOnWayIn(place: Place | undefined | null): boolean {
  return (
    place != null &&
    (place.stage === layout.STAGE_INGRESS ||
      place.stage === layout.STAGE_DELIVER ||
      (place.stage === layout.STAGE_NETFILTER && place.hook <= HOOK_INPUT))
  );
}

/**
 * Whether the packet was last seen on its way to a socket. Where a namespace has nothing at
 * its INPUT hook, or is not attached to yet, that is where it came in.
 */
function isInput(path: Path): boolean {
  return isOnWayIn(path.lastPlace);
}

/**
 * Whether a drop is how a connection in TIME_WAIT takes the other side's last segment, or
 * ICMPv6 a message.
 */
function isTakenWithoutReason(p: DecodedPacket, location: string): boolean {
  if (p.protocol === PROTO_ICMPV6) {
    return location === ICMPV6_RECEIVER;
  }
  return (
    p.protocol === PROTO_TCP &&
    p.payloadLength === 0 &&
    (p.tcpFlags & TCP_SYN) === 0 &&
    TCP_RECEIVERS.has(location)
  );
}
