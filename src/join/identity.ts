import type { DecodedPacket } from '../packet/decoded-packet.js';
import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';

/** What no hop rewrites: distinguishes a packet from the next one in the same buffer. */
export interface Invariants {
  family: number;
  protocol: number;
  ipId: number;
  tcpSeq: number;
  payloadLength: number;
  icmpType: number;
  icmpSeq: number;
  fragment: boolean;
  /** Of a fragment that is not the first: no transport header is in it. */
  laterFragment: boolean;
  isArp: boolean;
  arpOp: number;
  arpSenderIp: number;
  arpTargetIp: number;
}

/** Takes over from a decoded packet what no hop rewrites. */
export function rememberInvariants(path: Invariants, p: DecodedPacket): void {
  path.family = p.family;
  path.protocol = p.protocol;
  path.ipId = p.ipId;
  path.tcpSeq = p.tcpSeq;
  path.payloadLength = p.payloadLength;
  path.icmpType = p.icmpType;
  path.icmpSeq = p.icmpSeq;
  path.fragment = p.moreFragments || p.fragmentOffset > 0;
  path.laterFragment = p.fragmentOffset > 0;
  path.isArp = p.isArp;
  path.arpOp = p.arpOp;
  path.arpSenderIp = p.arpSenderIp;
  path.arpTargetIp = p.arpTargetIp;
}

/**
 * Whether what was just decoded can be the packet remembered. Buffers are reused
 * without an announcement by the kernel, so an address alone proves nothing; address
 * translation rewrites addresses and ports, so those prove nothing either.
 */
export function isSamePacket(path: Invariants, p: DecodedPacket): boolean {
  if (path.isArp || p.isArp) {
    return (
      path.isArp &&
      p.isArp &&
      path.arpOp === p.arpOp &&
      path.arpSenderIp === p.arpSenderIp &&
      path.arpTargetIp === p.arpTargetIp
    );
  }
  if (path.protocol !== p.protocol || path.family !== p.family) {
    return false;
  }
  // In IPv6 only fragments have an id, given to them when they are made.
  if (path.ipId !== p.ipId && path.ipId >= 0 && p.ipId >= 0) {
    return false;
  }
  if (p.fragmentOffset > 0) {
    return path.ipId === p.ipId;
  }
  if (path.laterFragment) {
    return false;
  }
  switch (p.protocol) {
    case PROTO_TCP:
      if (path.tcpSeq !== p.tcpSeq) {
        return false;
      }
      break;
    case PROTO_ICMP:
    case PROTO_ICMPV6:
      if (path.icmpType !== p.icmpType || path.icmpSeq !== p.icmpSeq) {
        return false;
      }
      break;
    default:
  }
  // Fragmentation and reassembly change the length and nothing else.
  return path.payloadLength === p.payloadLength || path.fragment || p.moreFragments;
}

/**
 * A key under which copies of a packet can be found; 0 when nothing in it distinguishes it
 * from another. Equal keys do not prove equal packets: ask `isSamePacket`.
 */
export function identityKey(p: DecodedPacket): number {
  if (p.family === 0) {
    return 0;
  }
  // An IPv6 packet has no id while it is whole.
  const id = p.family === 6 ? 0 : p.ipId & 0xffff;
  if (p.protocol === PROTO_TCP && p.transportOffset >= 0) {
    return p.tcpSeq * 65536 + id;
  }
  if (p.icmpSeq >= 0) {
    return 2 ** 50 + p.icmpType * 2 ** 40 + p.icmpSeq * 65536 + id;
  }
  return id === 0 ? 0 : 2 ** 51 + p.protocol * 65536 + id;
}
