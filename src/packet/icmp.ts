import type { DecodedPacket } from './decoded-packet.js';
import { ERROR_TRANSPORT_SHORT } from './packet-error.js';
import { quotedPacket } from './quoted.js';

const HEADER = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;
/** Code of ICMP_UNREACHABLE: fragmentation needed and DF set (RFC 1191). */
export const ICMP_FRAGMENTATION_NEEDED = 4;

/*
 * ICMP (RFC 792):
 *
 *    0      1      2        4        6        8
 *   +------+------+--------+--------+--------+------ - -
 *   | type | code | checks |   id   |  seq   |  echo, timestamp, …
 *   | type | code | checks | unused |  MTU   |  packet  unreachable, code 4
 *   | type | code | checks |     unused      |  packet  other errors
 *   +------+------+--------+--------+--------+------ - -
 */

/** Whether messages of a type carry identifier and sequence (queries and their replies). */
function icmpHasId(type: number): boolean {
  return type === ICMP_ECHO || type === ICMP_ECHO_REPLY || (type >= 13 && type <= 18);
}

function isError(type: number): boolean {
  return (
    type === ICMP_UNREACHABLE ||
    type === ICMP_TIME_EXCEEDED ||
    type === ICMP_REDIRECT ||
    type === ICMP_PARAMETER_PROBLEM ||
    type === ICMP_SOURCE_QUENCH
  );
}

/** Reads an ICMP message, and for an error the packet quoted in it. */
export function icmpMessage(p: DecodedPacket, view: DataView): void {
  const at = p.cursor;
  if (Math.min(p.limit, p.end) - at >= 2) {
    p.icmpType = view.getUint8(at);
    p.icmpCode = view.getUint8(at + 1);
  }
  if (p.end - at >= HEADER) p.payloadLength = p.end - at - HEADER;
  if (!p.has(HEADER, ERROR_TRANSPORT_SHORT)) return;
  const type = p.icmpType;
  p.cursor = at + HEADER;
  if (icmpHasId(type)) {
    p.icmpId = view.getUint16(at + 4);
    p.icmpSeq = view.getUint16(at + 6);
  } else if (isError(type)) {
    if (type === ICMP_UNREACHABLE && p.icmpCode === ICMP_FRAGMENTATION_NEEDED) {
      p.icmpMtu = view.getUint16(at + 6);
    }
    quotedPacket(p, view);
  }
}
