import { type DecodedPacket, UNKNOWN_END } from './decoded-packet.js';
import {
  ipv6ExtensionLength,
  isIpv6Extension,
  jumboPayload,
  MAX_IPV6_EXTENSIONS,
} from './ipv6-extensions.js';
import {
  ERROR_IP_LENGTH_LONG,
  ERROR_IP_LENGTH_SHORT,
  ERROR_IP_VERSION,
  ERROR_IPV6_EXTENSION_SHORT,
  ERROR_IPV6_EXTENSIONS,
} from './packet-error.js';
import { PROTO_FRAGMENT, PROTO_HOP_BY_HOP } from './proto.js';

const HEADER = 40;

/*
 * IPv6 (RFC 8200):
 *
 *    0       1       2       3
 *   +---+-------+-------------------+
 *   | 6 | class |    flow label     |  0
 *   +---+-------+---+-------+-------+
 *   | payload length| next  |  hop  |  4
 *   +---------------+-------+-------+
 *   |            source             |  8   16 bytes
 *   +-------------------------------+
 *   |          destination          | 24   16 bytes
 *   +-------------------------------+
 *
 * Extension headers begin | next 8 | length 8 |; the fragment header is
 *
 *   | next 8 | reserved 8 | offset 13 | 0 0 | M | identification 32 |
 *
 * with the offset in units of 8 bytes, so its upper 13 bits are the offset in
 * bytes once the low three are masked.
 */

/**
 * Reads an IPv6 header and its extension headers; leaves the cursor after them
 * and `end` at the packet's declared end. Returns the transport protocol, or -1
 * to stop.
 */
export function ipv6Header(p: DecodedPacket, view: DataView): number {
  if (!p.has(HEADER, ERROR_IP_LENGTH_LONG)) return -1;
  const at = p.cursor;
  const first = view.getUint16(at);
  if (first >> 12 !== 6) {
    p.fail(ERROR_IP_VERSION);
    return -1;
  }
  p.family = 6;
  p.innerOffset = at;
  p.tos = (first >> 4) & 0xff;
  p.dontFragment = true;
  p.ttl = view.getUint8(at + 7);
  p.src0 = view.getUint32(at + 8);
  p.src1 = view.getUint32(at + 12);
  p.src2 = view.getUint32(at + 16);
  p.src3 = view.getUint32(at + 20);
  p.dst0 = view.getUint32(at + 24);
  p.dst1 = view.getUint32(at + 28);
  p.dst2 = view.getUint32(at + 32);
  p.dst3 = view.getUint32(at + 36);

  const declared = view.getUint16(at + 4);
  let next = view.getUint8(at + 6);
  if (declared !== 0 || next !== PROTO_HOP_BY_HOP) {
    p.ipLength = HEADER + declared;
    // GSO packets of the newest kernels leave 0 without a jumbo option.
    if (declared === 0 && isTransportLike(next) && p.end !== UNKNOWN_END) p.ipLength = p.end - at;
    if (at + p.ipLength > p.end) p.fail(ERROR_IP_LENGTH_LONG);
    p.end = at + p.ipLength;
    p.payloadLength = p.ipLength - HEADER;
  }
  p.cursor = at + HEADER;

  let extensions = 0;
  let isLater = false;
  while (isIpv6Extension(next)) {
    if (extensions === MAX_IPV6_EXTENSIONS) {
      p.fail(ERROR_IPV6_EXTENSIONS);
      return -1;
    }
    extensions++;
    if (!p.has(8, ERROR_IPV6_EXTENSION_SHORT)) return -1;
    const header = p.cursor;
    const length = ipv6ExtensionLength(next, view.getUint8(header + 1));
    if (!p.has(length, ERROR_IPV6_EXTENSION_SHORT)) return -1;
    if (next === PROTO_FRAGMENT) {
      const fragment = view.getUint16(header + 2);
      isLater = (fragment & 0xfff8) !== 0;
      // A fragment of a fragment: the header met first is the one reassembled first.
      if (p.ipId < 0) {
        p.fragmentOffset = fragment & 0xfff8;
        p.moreFragments = (fragment & 1) !== 0;
        p.ipId = view.getUint32(header + 4);
      }
    } else if (p.ipLength === 0) {
      const jumbo = jumboPayload(view, header + 2, header + length);
      // RFC 2675, 3: what would fit in 16 bits is no jumbo payload.
      if (jumbo <= 0xffff) {
        p.fail(ERROR_IP_LENGTH_SHORT);
        return -1;
      }
      p.ipLength = Math.min(HEADER + jumbo, UNKNOWN_END - at);
      if (at + p.ipLength > p.end) p.fail(ERROR_IP_LENGTH_LONG);
      p.end = at + p.ipLength;
    }
    next = view.getUint8(header);
    p.cursor = header + length;
    p.payloadLength = p.end - p.cursor;
    // After the fragment header of a later fragment is payload, not a header.
    if (isLater) break;
  }
  p.protocol = next;
  return isLater ? -1 : next;
}

/** Protocols that cannot be empty, so that a payload length of 0 must mean "see the frame". */
function isTransportLike(protocol: number): boolean {
  return protocol === 6 || protocol === 17;
}
