import { arpPacket } from './arp.js';
import {
  type DecodedPacket,
  OUTER_IP6TNL,
  OUTER_IPIP,
  OUTER_SIT,
  UNKNOWN_END,
} from './decoded-packet.js';
import { enterEncapsulation } from './encapsulation.js';
import { ethernetHeader, innerEthernetHeader } from './ethernet.js';
import { GENEVE_PORT, geneveHeader } from './geneve.js';
import { greHeader } from './gre.js';
import { icmpMessage } from './icmp.js';
import { icmpv6Message } from './icmpv6.js';
import { ipv4Header } from './ipv4.js';
import { ipv6Header } from './ipv6.js';
import { ERROR_IP_LENGTH_LONG, ERROR_IP_VERSION } from './packet-error.js';
import {
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_TEB,
  PROTO_DCCP,
  PROTO_GRE,
  PROTO_ICMP,
  PROTO_ICMPV6,
  PROTO_IPIP,
  PROTO_IPV6,
  PROTO_SCTP,
  PROTO_TCP,
  PROTO_UDP,
  PROTO_UDPLITE,
} from './proto.js';
import { sctpHeader } from './sctp.js';
import { tcpHeader } from './tcp.js';
import { udpHeader } from './udp.js';
import { VXLAN_PORT, VXLAN_PORT_LINUX, vxlanHeader } from './vxlan.js';
import { isWireguardPort, wireguardMessage } from './wireguard.js';

/**
 * Decodes a frame that starts at its Ethernet header. Never throws: what is wrong
 * is in `p.error`, what was cut off in `p.truncated`.
 *
 * @param view bytes that hold the frame
 * @param offset of the frame's first byte in `view`
 * @param length bytes of the frame that are there; must lie within `view`
 * @param wireLength length of the whole frame, where it is known. Lets the
 *   decoder see IP lengths that claim too much, and the true length of a
 *   GSO packet whose length field is 0.
 */
export function decodeEthernet(
  p: DecodedPacket,
  view: DataView,
  offset: number,
  length: number,
  wireLength = 0,
): void {
  begin(p, view, offset, length, wireLength);
  walk(p, view, ethernetHeader(p, view));
}

/**
 * Decodes a packet that starts at its IP header, as on `tunl0`, a WireGuard device
 * or in a netfilter hook. Otherwise as `decodeEthernet`.
 */
export function decodeIp(
  p: DecodedPacket,
  view: DataView,
  offset: number,
  length: number,
  wireLength = 0,
): void {
  begin(p, view, offset, length, wireLength);
  if (!p.has(1, ERROR_IP_LENGTH_LONG)) return;
  const version = view.getUint8(offset) >> 4;
  if (version === 4) walk(p, view, ETHERTYPE_IPV4);
  else if (version === 6) walk(p, view, ETHERTYPE_IPV6);
  else p.fail(ERROR_IP_VERSION);
}

/**
 * Decodes a packet that starts at its network header and whose EtherType is known
 * from elsewhere (`skb->protocol`). Otherwise as `decodeEthernet`.
 */
export function decodeNetwork(
  p: DecodedPacket,
  view: DataView,
  offset: number,
  length: number,
  etherType: number,
  wireLength = 0,
): void {
  begin(p, view, offset, length, wireLength);
  walk(p, view, etherType);
}

function begin(
  p: DecodedPacket,
  view: DataView,
  offset: number,
  length: number,
  wireLength: number,
): void {
  p.reset();
  p.cursor = offset;
  p.limit = Math.min(offset + length, view.byteLength);
  p.end = wireLength > 0 ? offset + wireLength : UNKNOWN_END;
}

/** From a network header on, packet within packet, until there is nothing more to read. */
function walk(p: DecodedPacket, view: DataView, first: number): void {
  let etherType = first;
  for (;;) {
    if (etherType === ETHERTYPE_TEB && p.depth > 0) etherType = innerEthernetHeader(p, view);
    if (etherType < 0) return;
    if (p.depth > 0) p.overhead = p.cursor - p.outerOffset;
    let protocol: number;
    if (etherType === ETHERTYPE_IPV4) protocol = ipv4Header(p, view);
    else if (etherType === ETHERTYPE_IPV6) protocol = ipv6Header(p, view);
    else {
      if (etherType === ETHERTYPE_ARP) arpPacket(p, view);
      return;
    }
    if (protocol < 0 || p.fragmentOffset > 0) return;
    p.transportOffset = p.cursor;
    etherType = transport(p, view, protocol);
  }
}

/** Reads what follows the IP header. Returns the EtherType of a packet inside, or -1. */
function transport(p: DecodedPacket, view: DataView, protocol: number): number {
  switch (protocol) {
    case PROTO_TCP:
      tcpHeader(p, view);
      return -1;
    case PROTO_UDP:
      return udpHeader(p, view) ? udpTunnel(p, view) : -1;
    case PROTO_ICMP:
      icmpMessage(p, view);
      return -1;
    case PROTO_ICMPV6:
      icmpv6Message(p, view);
      return -1;
    case PROTO_IPIP:
      return enterEncapsulation(p, p.family === 4 ? OUTER_IPIP : OUTER_IP6TNL)
        ? ETHERTYPE_IPV4
        : -1;
    case PROTO_IPV6:
      return enterEncapsulation(p, p.family === 4 ? OUTER_SIT : OUTER_IP6TNL) ? ETHERTYPE_IPV6 : -1;
    case PROTO_GRE:
      return greHeader(p, view);
    // All begin with source and destination port, and have at least 12 bytes.
    case PROTO_SCTP:
    case PROTO_DCCP:
      sctpHeader(p, view);
      return -1;
    case PROTO_UDPLITE:
      udpLitePorts(p, view);
      return -1;
    default:
      return -1;
  }
}

/** UDP-Lite (RFC 3828) differs from UDP in what its third field means, so only ports are read. */
function udpLitePorts(p: DecodedPacket, view: DataView): void {
  if (!p.has(4, ERROR_IP_LENGTH_LONG)) return;
  p.sport = view.getUint16(p.cursor);
  p.dport = view.getUint16(p.cursor + 2);
}

function udpTunnel(p: DecodedPacket, view: DataView): number {
  switch (p.dport) {
    case VXLAN_PORT:
    case VXLAN_PORT_LINUX:
      return vxlanHeader(p, view);
    case GENEVE_PORT:
      return geneveHeader(p, view);
    default:
      if (isWireguardPort(p.dport) || isWireguardPort(p.sport)) wireguardMessage(p, view);
      return -1;
  }
}
