import {
  PROTO_AH,
  PROTO_DESTINATION,
  PROTO_FRAGMENT,
  PROTO_HIP,
  PROTO_HOP_BY_HOP,
  PROTO_MOBILITY,
  PROTO_ROUTING,
  PROTO_SHIM6,
} from './proto.js';

/** Extension headers of one packet that are followed; one more is an error. */
export const MAX_IPV6_EXTENSIONS = 8;

/** Whether a next-header value is an extension header that can be stepped over. */
export function isIpv6Extension(next: number): boolean {
  switch (next) {
    case PROTO_HOP_BY_HOP:
    case PROTO_ROUTING:
    case PROTO_FRAGMENT:
    case PROTO_AH:
    case PROTO_DESTINATION:
    case PROTO_MOBILITY:
    case PROTO_HIP:
    case PROTO_SHIM6:
      return true;
    default:
      return false;
  }
}

/**
 * Length in bytes of an extension header from its type and second byte: 8-byte
 * units without the first (RFC 8200, 4), 4-byte units without two for AH (RFC
 * 4302, 2.2), and 8 for the fragment header, which has no length.
 */
export function ipv6ExtensionLength(next: number, lengthByte: number): number {
  if (next === PROTO_FRAGMENT) return 8;
  if (next === PROTO_AH) return (lengthByte + 2) << 2;
  return (lengthByte + 1) << 3;
}

/**
 * The jumbo payload length (RFC 2675) among the options of a hop-by-hop header,
 * or -1. `start` and `end` enclose the options, all of them readable.
 *
 *    | 0xc2 | 4 | jumbo payload length 32 |
 */
export function jumboPayload(view: DataView, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const type = view.getUint8(at);
    if (type === 0) {
      at += 1;
      continue;
    }
    if (at + 2 > end) return -1;
    const length = view.getUint8(at + 1);
    if (type === 0xc2 && length === 4 && at + 6 <= end) return view.getUint32(at + 2);
    at += 2 + length;
  }
  return -1;
}
