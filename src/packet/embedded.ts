import type { DecodedPacket } from './decoded-packet.js';
import { ipv6ExtensionLength, isIpv6Extension, MAX_IPV6_EXTENSIONS } from './ipv6-extensions.js';
import { ERROR_EMBEDDED } from './packet-error.js';
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
export function embeddedPacket(p: DecodedPacket, view: DataView): void {
  if (!p.has(1, ERROR_EMBEDDED)) return;
  const version = view.getUint8(p.cursor) >> 4;
  if (version === 4) embeddedIpv4(p, view);
  else if (version === 6) embeddedIpv6(p, view);
  else p.fail(ERROR_EMBEDDED);
}

function embeddedIpv4(p: DecodedPacket, view: DataView): void {
  if (!p.has(20, ERROR_EMBEDDED)) return;
  const at = p.cursor;
  const headerLength = (view.getUint8(at) & 0xf) << 2;
  if (headerLength < 20) {
    p.fail(ERROR_EMBEDDED);
    return;
  }
  p.hasEmbedded = true;
  p.embeddedFamily = 4;
  p.embeddedIpLength = view.getUint16(at + 2);
  p.embeddedIpId = view.getUint16(at + 4);
  p.embeddedProtocol = view.getUint8(at + 9);
  p.embeddedSrc3 = view.getUint32(at + 12);
  p.embeddedDst3 = view.getUint32(at + 16);
  p.cursor = at + headerLength;
  if ((view.getUint16(at + 6) & 0x1fff) === 0) embeddedTransport(p, view);
}

function embeddedIpv6(p: DecodedPacket, view: DataView): void {
  if (!p.has(40, ERROR_EMBEDDED)) return;
  const at = p.cursor;
  p.hasEmbedded = true;
  p.embeddedFamily = 6;
  p.embeddedIpLength = 40 + view.getUint16(at + 4);
  p.embeddedSrc0 = view.getUint32(at + 8);
  p.embeddedSrc1 = view.getUint32(at + 12);
  p.embeddedSrc2 = view.getUint32(at + 16);
  p.embeddedSrc3 = view.getUint32(at + 20);
  p.embeddedDst0 = view.getUint32(at + 24);
  p.embeddedDst1 = view.getUint32(at + 28);
  p.embeddedDst2 = view.getUint32(at + 32);
  p.embeddedDst3 = view.getUint32(at + 36);
  p.cursor = at + 40;
  let next = view.getUint8(at + 6);
  for (let extensions = 0; isIpv6Extension(next); extensions++) {
    if (extensions === MAX_IPV6_EXTENSIONS) {
      p.fail(ERROR_EMBEDDED);
      return;
    }
    if (!p.has(8, ERROR_EMBEDDED)) return;
    const header = p.cursor;
    if (next === PROTO_FRAGMENT && p.embeddedIpId < 0) {
      p.embeddedIpId = view.getUint32(header + 4);
      if ((view.getUint16(header + 2) & 0xfff8) !== 0) {
        p.embeddedProtocol = view.getUint8(header);
        return;
      }
    }
    const length = ipv6ExtensionLength(next, view.getUint8(header + 1));
    next = view.getUint8(header);
    p.cursor = header + length;
  }
  p.embeddedProtocol = next;
  embeddedTransport(p, view);
}

function embeddedTransport(p: DecodedPacket, view: DataView): void {
  const at = p.cursor;
  const there = Math.min(p.limit, p.end) - at;
  // The quote may be shorter than 8 bytes by itself; then that is all that can be missing.
  if (p.limit - at < Math.min(8, p.end - at)) p.truncated = true;
  const protocol = p.embeddedProtocol;
  switch (protocol) {
    case PROTO_TCP:
    case PROTO_UDP:
    case PROTO_SCTP:
    case PROTO_DCCP:
    case PROTO_UDPLITE:
      if (there >= 4) {
        p.embeddedSport = view.getUint16(at);
        p.embeddedDport = view.getUint16(at + 2);
      }
      if (protocol === PROTO_TCP && there >= 8) p.embeddedTcpSeq = view.getUint32(at + 4);
      break;
    case PROTO_ICMP:
    case PROTO_ICMPV6:
      if (there >= 1) p.embeddedIcmpType = view.getUint8(at);
      if (there >= 8) {
        const type = p.embeddedIcmpType;
        const hasId =
          protocol === PROTO_ICMP
            ? type === 8 || type === 0 || (type >= 13 && type <= 18)
            : type === 128 || type === 129;
        if (hasId) {
          p.embeddedIcmpId = view.getUint16(at + 4);
          p.embeddedIcmpSeq = view.getUint16(at + 6);
        }
      }
      break;
    default:
  }
}
