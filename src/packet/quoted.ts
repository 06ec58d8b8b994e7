import type { DecodedPacket } from './decoded-packet.js';
import { ipv6ExtensionLength, isIpv6Extension, MAX_IPV6_EXTENSIONS } from './ipv6-extensions.js';
import { ERROR_QUOTED } from './packet-error.js';
import {
  PROTO_DCCP,
  PROTO_FRAGMENT,
  PROTO_ICMP,
  PROTO_ICMPV6,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PROTO_UDPLITE,
} from './proto.js';

/**
 * Reads the packet quoted in an ICMP error, at the cursor. RFC 792 promises its IP
 * header and 8 bytes more, so a transport header is read only as far as that. The
 * quote being short is nothing wrong with the error message.
 */
export function quotedPacket(p: DecodedPacket, view: DataView): void {
  if (!p.has(1, ERROR_QUOTED)) return;
  const version = view.getUint8(p.cursor) >> 4;
  if (version === 4) quotedIpv4(p, view);
  else if (version === 6) quotedIpv6(p, view);
  else p.fail(ERROR_QUOTED);
}

function quotedIpv4(p: DecodedPacket, view: DataView): void {
  if (!p.has(20, ERROR_QUOTED)) return;
  const at = p.cursor;
  const headerLength = (view.getUint8(at) & 0xf) << 2;
  if (headerLength < 20) {
    p.fail(ERROR_QUOTED);
    return;
  }
  p.hasQuoted = true;
  p.quotedFamily = 4;
  p.quotedIpLength = view.getUint16(at + 2);
  p.quotedIpId = view.getUint16(at + 4);
  p.quotedProtocol = view.getUint8(at + 9);
  p.quotedSrc3 = view.getUint32(at + 12);
  p.quotedDst3 = view.getUint32(at + 16);
  p.cursor = at + headerLength;
  if ((view.getUint16(at + 6) & 0x1fff) === 0) quotedTransport(p, view);
}

function quotedIpv6(p: DecodedPacket, view: DataView): void {
  if (!p.has(40, ERROR_QUOTED)) return;
  const at = p.cursor;
  p.hasQuoted = true;
  p.quotedFamily = 6;
  p.quotedIpLength = 40 + view.getUint16(at + 4);
  p.quotedSrc0 = view.getUint32(at + 8);
  p.quotedSrc1 = view.getUint32(at + 12);
  p.quotedSrc2 = view.getUint32(at + 16);
  p.quotedSrc3 = view.getUint32(at + 20);
  p.quotedDst0 = view.getUint32(at + 24);
  p.quotedDst1 = view.getUint32(at + 28);
  p.quotedDst2 = view.getUint32(at + 32);
  p.quotedDst3 = view.getUint32(at + 36);
  p.cursor = at + 40;
  let next = view.getUint8(at + 6);
  for (let extensions = 0; isIpv6Extension(next); extensions++) {
    if (extensions === MAX_IPV6_EXTENSIONS) {
      p.fail(ERROR_QUOTED);
      return;
    }
    if (!p.has(8, ERROR_QUOTED)) return;
    const header = p.cursor;
    if (next === PROTO_FRAGMENT && p.quotedIpId < 0) {
      p.quotedIpId = view.getUint32(header + 4);
      if ((view.getUint16(header + 2) & 0xfff8) !== 0) {
        p.quotedProtocol = view.getUint8(header);
        return;
      }
    }
    const length = ipv6ExtensionLength(next, view.getUint8(header + 1));
    next = view.getUint8(header);
    p.cursor = header + length;
  }
  p.quotedProtocol = next;
  quotedTransport(p, view);
}

function quotedTransport(p: DecodedPacket, view: DataView): void {
  const at = p.cursor;
  const there = Math.min(p.limit, p.end) - at;
  // The quote may be shorter than 8 bytes by itself; then that is all that can be missing.
  if (p.limit - at < Math.min(8, p.end - at)) p.truncated = true;
  const protocol = p.quotedProtocol;
  switch (protocol) {
    case PROTO_TCP:
    case PROTO_UDP:
    case PROTO_SCTP:
    case PROTO_DCCP:
    case PROTO_UDPLITE:
      if (there >= 4) {
        p.quotedSport = view.getUint16(at);
        p.quotedDport = view.getUint16(at + 2);
      }
      if (protocol === PROTO_TCP && there >= 8) p.quotedTcpSeq = view.getUint32(at + 4);
      break;
    case PROTO_ICMP:
    case PROTO_ICMPV6:
      if (there >= 1) p.quotedIcmpType = view.getUint8(at);
      if (there >= 8) {
        const type = p.quotedIcmpType;
        const hasId =
          protocol === PROTO_ICMP
            ? type === 8 || type === 0 || (type >= 13 && type <= 18)
            : type === 128 || type === 129;
        if (hasId) {
          p.quotedIcmpId = view.getUint16(at + 4);
          p.quotedIcmpSeq = view.getUint16(at + 6);
        }
      }
      break;
    default:
  }
}
