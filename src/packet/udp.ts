import type { DecodedPacket } from './decoded-packet.js';
import { ERROR_TRANSPORT_SHORT, ERROR_UDP_LENGTH } from './packet-error.js';

const HEADER = 8;

/*
 * UDP (RFC 768):
 *
 *    0        2        4        6        8
 *   +--------+--------+--------+--------+
 *   | source | dest   | length | checks |
 *   +--------+--------+--------+--------+
 */

/**
 * Reads a UDP header and leaves the cursor after it. Returns whether the payload
 * can be looked into.
 *
 * The first fragment of a datagram carries the length of the whole datagram, and
 * a length of 0 stands for a GSO packet beyond 64 KiB, so neither is an error.
 */
export function udpHeader(p: DecodedPacket, view: DataView): boolean {
  const at = p.cursor;
  if (!p.has(HEADER, ERROR_TRANSPORT_SHORT)) {
    if (Math.min(p.limit, p.end) - at >= 4) {
      p.sport = view.getUint16(at);
      p.dport = view.getUint16(at + 2);
    }
    return false;
  }
  const ports = view.getInt32(at);
  p.sport = ports >>> 16;
  p.dport = ports & 0xffff;
  const length = view.getUint16(at + 4);
  p.cursor = at + HEADER;
  p.payloadLength = p.end - p.cursor;
  if (length !== 0 && !p.moreFragments) {
    if (length < HEADER || at + length > p.end) {
      p.fail(ERROR_UDP_LENGTH);
      return false;
    }
    p.payloadLength = length - HEADER;
    p.end = at + length;
  }
  return true;
}
