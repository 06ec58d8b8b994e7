import type { DecodedPacket } from './decoded-packet.js';
import { ERROR_TRANSPORT_SHORT } from './packet-error.js';
import { quotedPacket } from './quoted.js';

const HEADER = 4;
const QUERY_HEADER = 8;

export const ICMPV6_PACKET_TOO_BIG = 2;
export const ICMPV6_ECHO = 128;
export const ICMPV6_ECHO_REPLY = 129;
export const ICMPV6_LISTENER_QUERY = 130;
export const ICMPV6_REDIRECT = 137;
export const ICMPV6_LISTENER_REPORT_V2 = 143;

/**
 * Whether messages of a type are about the link and its groups: listener discovery (RFC
 * 2710, RFC 3810), router and neighbour discovery, redirect (RFC 4861).
 */
export function isLinkTalk(type: number): boolean {
  return (
    (type >= ICMPV6_LISTENER_QUERY && type <= ICMPV6_REDIRECT) || type === ICMPV6_LISTENER_REPORT_V2
  );
}

/*
 * ICMPv6 (RFC 4443):
 *
 *    0      1      2        4        6        8
 *   +------+------+--------+--------+--------+------ - -
 *   | 128  | code | checks |   id   |  seq   |          echo, reply 129
 *   |  2   | code | checks |       MTU       |  packet  too big
 *   | 1..4 | code | checks | unused / pointer|  packet  other errors
 *   +------+------+--------+--------+--------+------ - -
 */

/** Reads an ICMPv6 message, and for an error (types below 128) the packet quoted in it. */
export function icmpv6Message(p: DecodedPacket, view: DataView): void {
  const at = p.cursor;
  if (Math.min(p.limit, p.end) - at >= 2) {
    p.icmpType = view.getUint8(at);
    p.icmpCode = view.getUint8(at + 1);
  }
  if (p.end - at >= QUERY_HEADER) p.payloadLength = p.end - at - QUERY_HEADER;
  else if (p.end - at >= HEADER) p.payloadLength = p.end - at - HEADER;
  if (!p.has(HEADER, ERROR_TRANSPORT_SHORT)) return;
  const type = p.icmpType;
  const isEcho = type === ICMPV6_ECHO || type === ICMPV6_ECHO_REPLY;
  if (!isEcho && (type < 1 || type > 4)) return;
  if (!p.has(QUERY_HEADER, ERROR_TRANSPORT_SHORT)) return;
  p.cursor = at + QUERY_HEADER;
  if (isEcho) {
    p.icmpId = view.getUint16(at + 4);
    p.icmpSeq = view.getUint16(at + 6);
    return;
  }
  if (type === ICMPV6_PACKET_TOO_BIG) p.icmpMtu = view.getUint32(at + 4);
  quotedPacket(p, view);
}
