import { type DecodedPacket, UNKNOWN_END } from './decoded-packet.js';
import {
  ERROR_IP_LENGTH_LONG,
  ERROR_IP_LENGTH_SHORT,
  ERROR_IP_VERSION,
  ERROR_IPV4_HEADER_LENGTH,
} from './packet-error.js';

const HEADER = 20;

/*
 * IPv4 (RFC 791):
 *
 *    0       1       2       3
 *   +---+---+-------+---------------+
 *   | 4 |ihl|  tos  | total length  |  0
 *   +---+---+-------+---------------+
 *   | identification|0 DF MF| offset|  4   offset in units of 8 bytes
 *   +-------+-------+---------------+
 *   |  ttl  | proto |   checksum    |  8
 *   +-------+-------+---------------+
 *   |            source             | 12
 *   +-------------------------------+
 *   |          destination          | 16   options to ihl * 4
 *   +-------------------------------+
 */

/**
 * Reads an IPv4 header and leaves the cursor after it and `end` at the packet's
 * declared end. Returns the protocol, or -1 to stop.
 *
 * A total length of 0 is what a GSO packet beyond 64 KiB carries (BIG TCP,
 * skb_gso_ok in Linux): the length then is that of whatever is around it.
 */
export function ipv4Header(p: DecodedPacket, view: DataView): number {
  if (!p.has(HEADER, ERROR_IP_LENGTH_LONG)) return -1;
  const at = p.cursor;
  // Whole words taken apart: a read costs more than a shift.
  const word0 = view.getInt32(at);
  if (word0 >>> 28 !== 4) {
    p.fail(ERROR_IP_VERSION);
    return -1;
  }
  const headerLength = ((word0 >> 24) & 0xf) << 2;
  if (headerLength < HEADER) {
    p.fail(ERROR_IPV4_HEADER_LENGTH);
    return -1;
  }
  const declared = word0 & 0xffff;
  const word1 = view.getInt32(at + 4);
  const word2 = view.getInt32(at + 8);
  const protocol = (word2 >> 16) & 0xff;
  p.family = 4;
  p.innerOffset = at;
  p.tos = (word0 >> 16) & 0xff;
  p.ipId = word1 >>> 16;
  p.dontFragment = (word1 & 0x4000) !== 0;
  p.moreFragments = (word1 & 0x2000) !== 0;
  p.fragmentOffset = (word1 & 0x1fff) << 3;
  p.ttl = word2 >>> 24;
  p.protocol = protocol;
  p.src3 = view.getUint32(at + 12);
  p.dst3 = view.getUint32(at + 16);
  if (declared !== 0) {
    p.ipLength = declared;
    if (at + declared > p.end) p.fail(ERROR_IP_LENGTH_LONG);
    p.end = at + declared;
  } else if (p.end !== UNKNOWN_END) {
    p.ipLength = p.end - at;
  } else {
    p.fail(ERROR_IP_LENGTH_SHORT);
    return -1;
  }
  if (p.ipLength < headerLength) {
    p.fail(ERROR_IP_LENGTH_SHORT);
    return -1;
  }
  p.payloadLength = p.ipLength - headerLength;
  if (!p.has(headerLength, ERROR_IP_LENGTH_SHORT)) return -1;
  p.cursor = at + headerLength;
  return protocol;
}
