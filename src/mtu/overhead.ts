import type { Tunnel } from '../network/description.js';
import type { Family } from '../network/ip-address.js';

/** One header that a tunnel adds. */
export interface Layer {
  readonly name: string;
  readonly bytes: number;
}

const IPV4: Layer = { name: 'IPv4', bytes: 20 }; // RFC 791, without options
const IPV6: Layer = { name: 'IPv6', bytes: 40 }; // RFC 8200
const UDP: Layer = { name: 'UDP', bytes: 8 }; // RFC 768
const ETHERNET: Layer = { name: 'Ethernet', bytes: 14 }; // IEEE 802.3, without tags
const VXLAN: Layer = { name: 'VXLAN', bytes: 8 }; // RFC 7348
const GENEVE: Layer = { name: 'Geneve', bytes: 8 }; // RFC 8926, without options
const GRE: Layer = { name: 'GRE', bytes: 4 }; // RFC 2784
const GRE_CHECKSUM: Layer = { name: 'GRE checksum', bytes: 4 }; // RFC 2784
const GRE_KEY: Layer = { name: 'GRE key', bytes: 4 }; // RFC 2890
const GRE_SEQUENCE: Layer = { name: 'GRE sequence number', bytes: 4 }; // RFC 2890
const ENCAPSULATION_LIMIT: Layer = { name: 'tunnel encapsulation limit', bytes: 8 }; // RFC 2473, 4.1.1
// Type, receiver and counter, 16 bytes; then the tag of ChaCha20-Poly1305, 16 bytes.
const WIREGUARD: Layer = { name: 'WireGuard', bytes: 32 };
// IETF draft-ietf-intarea-gue: the base header.
const GUE: Layer = { name: 'GUE', bytes: 4 };

/**
 * The headers a tunnel puts before an inner IP packet, outermost first, up to where the room of
 * the outer device begins to count. Null where the configuration does not say.
 *
 * @param outer family of the outer packet
 */
export function layersOf(tunnel: Tunnel, outer: Family): readonly Layer[] | null {
  // The options of Geneve, and the kind of the inner header, come with each packet.
  if (tunnel.kind === 'geneve' && tunnel.isExternal) return null;
  const ip = outer === 4 ? IPV4 : IPV6;
  const ethernet = tunnel.hasEthernet ? [ETHERNET] : [];
  switch (tunnel.kind) {
    case 'ipip':
    case 'sit':
      return [ip, ...within(tunnel)];
    case 'ip6tnl':
      return [ip, ...limit(tunnel)];
    case 'gre':
    case 'gretap':
    case 'ip6gre':
    case 'ip6gretap':
      return [ip, ...limit(tunnel), ...within(tunnel), ...greLayers(tunnel), ...ethernet];
    case 'vxlan':
      return [ip, UDP, VXLAN, ...ethernet];
    case 'geneve':
      return [ip, UDP, GENEVE, ...ethernet];
    case 'wireguard':
      return [ip, UDP, WIREGUARD];
    default:
      return null;
  }
}

/** Bytes that a tunnel adds; null where the configuration does not say. */
export function overheadOf(tunnel: Tunnel, outer: Family): number | null {
  return layersOf(tunnel, outer)?.reduce((sum, { bytes }) => sum + bytes, 0) ?? null;
}

function greLayers({ hasChecksum, hasKey, hasSequence }: Tunnel): Layer[] {
  return [
    GRE,
    ...(hasChecksum ? [GRE_CHECKSUM] : []),
    ...(hasKey ? [GRE_KEY] : []),
    ...(hasSequence ? [GRE_SEQUENCE] : []),
  ];
}

function limit({ encapsulationLimit }: Tunnel): Layer[] {
  return encapsulationLimit === null ? [] : [ENCAPSULATION_LIMIT];
}

function within({ within: form }: Tunnel): Layer[] {
  if (form === null) return [];
  return form === 'gue' ? [UDP, GUE] : [UDP];
}
