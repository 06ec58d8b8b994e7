import { PACKET_OK } from './packet-error.js';

/** Kinds of encapsulation, the values of `DecodedPacket.outerType`. */
export const OUTER_NONE = 0;
/** IPv4 in IPv4, protocol 4 (RFC 2003). */
export const OUTER_IPIP = 1;
/** UDP port 4789 or 8472 (RFC 7348). */
export const OUTER_VXLAN = 2;
/** Protocol 47, carrying IP or Ethernet (RFC 2784, RFC 2890). */
export const OUTER_GRE = 3;
/** UDP port 6081 (RFC 8926). */
export const OUTER_GENEVE = 4;
/** IPv6 or IPv4 in IPv6 (RFC 2473), what Linux calls ip6tnl. */
export const OUTER_IP6TNL = 5;
/** IPv6 in IPv4, protocol 41 (RFC 4213). */
export const OUTER_SIT = 6;
/** WireGuard transport data: the inner packet is encrypted. */
export const OUTER_WIREGUARD = 7;

/** An offset no packet reaches; means "not known" for ends. */
export const UNKNOWN_END = 0x3fffffff;

/** Initial value of 32-bit fields: beyond a small integer, so V8 keeps a raw double slot. */
const U32 = 0xffffffff;

/**
 * One packet's headers, decoded in place: make one, hand it to `decodeEthernet` or
 * `decodeIp` again and again. Nothing is allocated while decoding.
 *
 * Conventions: absent numbers are -1 where 0 is a value, else 0. Addresses are
 * four unsigned 32-bit words in host order, most significant first; IPv4 sits in
 * word 3 with words 0 to 2 zero. Offsets and lengths are bytes; offsets count
 * from the start of the DataView. Lengths come from the headers, never from how
 * many bytes were captured.
 */
export class DecodedPacket {
  // ---- link: of the frame as it is on the device
  hasMac = false;
  /** Upper and lower 24 bits. */
  macSrcHi = 0;
  macSrcLo = 0;
  macDstHi = 0;
  macDstLo = 0;
  /** Outermost VLAN tag in the bytes: id, its EtherType and priority; -1 without. */
  vlanId = -1;
  vlanProto = -1;
  vlanPriority = -1;
  /** Second tag of a stacked frame, or -1. */
  vlanInnerId = -1;
  /** EtherType after any VLAN tags; below 1536 an 802.3 length; -1 for a bare IP packet. */
  etherType = -1;

  // ---- encapsulation nearest to the innermost packet
  outerType = OUTER_NONE;
  /** How many tunnels are around the innermost packet; WireGuard counts, though opaque. */
  depth = 0;
  outerFamily = 0;
  outerSrc0 = U32;
  outerSrc1 = U32;
  outerSrc2 = U32;
  outerSrc3 = U32;
  outerDst0 = U32;
  outerDst1 = U32;
  outerDst2 = U32;
  outerDst3 = U32;
  outerSport = -1;
  outerDport = -1;
  outerTtl = -1;
  outerTos = -1;
  outerId = -1;
  outerDontFragment = false;
  outerMoreFragments = false;
  /** Total length the outer IP header declares, header included. */
  outerLength = 0;
  /** Offset of the outer IP header, or -1. */
  outerOffset = -1;
  /** VXLAN or Geneve network identifier, or -1. */
  vni = -1;
  /** GRE key, or -1. */
  greKey = U32;
  /**
   * Bytes the encapsulation adds: from the outer IP header to the inner network
   * header (IPIP 20; VXLAN over IPv4 50, the inner Ethernet header being of no use
   * outside the tunnel). WireGuard: 60 over IPv4, 80 over IPv6, padding left out.
   */
  overhead = 0;
  /** MACs of the innermost Ethernet header inside a tunnel. */
  hasInnerMac = false;
  innerMacSrcHi = 0;
  innerMacSrcLo = 0;
  innerMacDstHi = 0;
  innerMacDstLo = 0;
  /** Receiver index of a WireGuard data message, or -1. */
  wireguardReceiver = U32;
  /** Counter of a WireGuard data message (exact to 2^53), or -1. */
  wireguardCounter = U32;

  // ---- innermost network header that can be read
  /** 4, 6, or 0 when there is none (ARP, other protocols, cut before it). */
  family = 0;
  src0 = U32;
  src1 = U32;
  src2 = U32;
  src3 = U32;
  dst0 = U32;
  dst1 = U32;
  dst2 = U32;
  dst3 = U32;
  /** IP protocol of what follows the IP header and any IPv6 extension headers; -1 unknown. */
  protocol = -1;
  /** Time to live or hop limit, or -1. */
  ttl = -1;
  /** Type of service or traffic class, all 8 bits, or -1. */
  tos = -1;
  /** IPv4 identification, or that of an IPv6 fragment header (32 bits); -1 without. */
  ipId = U32;
  /** IPv4 DF; true for IPv6, whose packets are never fragmented on the way. */
  dontFragment = false;
  moreFragments = false;
  /** In bytes. Above 0 there is no transport header. */
  fragmentOffset = 0;
  /** Whole IP packet with its header, as the header declares. */
  ipLength = 0;
  /** Offset of the innermost IP header, or -1. */
  innerOffset = -1;
  /** Offset of the transport header, or -1 when none was reached. */
  transportOffset = -1;

  // ---- transport
  sport = -1;
  dport = -1;
  /** Low 8 bits as in the header (CWR ECE URG ACK PSH RST SYN FIN); -1 without TCP. */
  tcpFlags = -1;
  tcpSeq = U32;
  tcpAck = U32;
  /** As sent, not scaled; -1 without TCP. */
  tcpWindow = -1;
  /** From the options of a SYN, else -1. */
  tcpMss = -1;
  tcpWindowScale = -1;
  /** Bytes after the transport header, or after the IP header where there is none. */
  payloadLength = 0;
  icmpType = -1;
  icmpCode = -1;
  /** Identifier and sequence of an echo or another query; -1 for the rest. */
  icmpId = -1;
  icmpSeq = -1;
  /** Next-hop MTU of fragmentation needed or packet too big, or -1. */
  icmpMtu = U32;

  // ---- the packet an ICMP error complains about
  hasQuoted = false;
  quotedFamily = 0;
  quotedSrc0 = U32;
  quotedSrc1 = U32;
  quotedSrc2 = U32;
  quotedSrc3 = U32;
  quotedDst0 = U32;
  quotedDst1 = U32;
  quotedDst2 = U32;
  quotedDst3 = U32;
  quotedProtocol = -1;
  quotedIpId = U32;
  quotedIpLength = 0;
  quotedSport = -1;
  quotedDport = -1;
  quotedTcpSeq = U32;
  quotedIcmpType = -1;
  quotedIcmpId = -1;
  quotedIcmpSeq = -1;

  // ---- ARP
  isArp = false;
  /** 1 request, 2 reply; -1 without ARP. */
  arpOp = -1;
  arpSenderMacHi = 0;
  arpSenderMacLo = 0;
  arpSenderIp = U32;
  arpTargetMacHi = 0;
  arpTargetMacLo = 0;
  arpTargetIp = U32;

  // ---- outcome
  /** A header did not fit in the bytes given; what came before it is decoded. */
  truncated = false;
  /** 0, or the first thing found malformed: see packet-error.ts. */
  error = PACKET_OK;

  // ---- the decoder's own state while it walks
  /** Offset of the next header. */
  cursor = 0;
  /** End of the bytes given. */
  limit = 0;
  /** End of the current packet as its headers declare, beyond `limit` when cut. */
  end = 0;

  constructor() {
    this.#resetOuter();
    this.#resetQuoted();
    this.#resetArp();
    this.reset();
  }

  /** Back to "nothing known". The decoder does it; callers need not. */
  reset(): void {
    this.hasMac = false;
    this.macSrcHi = 0;
    this.macSrcLo = 0;
    this.macDstHi = 0;
    this.macDstLo = 0;
    this.vlanId = -1;
    this.vlanProto = -1;
    this.vlanPriority = -1;
    this.vlanInnerId = -1;
    this.etherType = -1;
    if (this.depth !== 0) this.#resetOuter();
    this.resetInner();
    if (this.hasQuoted) this.#resetQuoted();
    if (this.isArp) this.#resetArp();
    this.truncated = false;
    this.error = PACKET_OK;
  }

  /** Forget the innermost packet: the decoder found another packet inside it. */
  resetInner(): void {
    this.family = 0;
    this.src0 = 0;
    this.src1 = 0;
    this.src2 = 0;
    this.src3 = 0;
    this.dst0 = 0;
    this.dst1 = 0;
    this.dst2 = 0;
    this.dst3 = 0;
    this.protocol = -1;
    this.ttl = -1;
    this.tos = -1;
    this.ipId = -1;
    this.dontFragment = false;
    this.moreFragments = false;
    this.fragmentOffset = 0;
    this.ipLength = 0;
    this.innerOffset = -1;
    this.transportOffset = -1;
    this.sport = -1;
    this.dport = -1;
    this.tcpFlags = -1;
    this.tcpSeq = 0;
    this.tcpAck = 0;
    this.tcpWindow = -1;
    this.tcpMss = -1;
    this.tcpWindowScale = -1;
    this.payloadLength = 0;
    this.icmpType = -1;
    this.icmpCode = -1;
    this.icmpId = -1;
    this.icmpSeq = -1;
    this.icmpMtu = -1;
  }

  #resetOuter(): void {
    this.outerType = OUTER_NONE;
    this.depth = 0;
    this.outerFamily = 0;
    this.outerSrc0 = 0;
    this.outerSrc1 = 0;
    this.outerSrc2 = 0;
    this.outerSrc3 = 0;
    this.outerDst0 = 0;
    this.outerDst1 = 0;
    this.outerDst2 = 0;
    this.outerDst3 = 0;
    this.outerSport = -1;
    this.outerDport = -1;
    this.outerTtl = -1;
    this.outerTos = -1;
    this.outerId = -1;
    this.outerDontFragment = false;
    this.outerMoreFragments = false;
    this.outerLength = 0;
    this.outerOffset = -1;
    this.vni = -1;
    this.greKey = -1;
    this.overhead = 0;
    this.hasInnerMac = false;
    this.innerMacSrcHi = 0;
    this.innerMacSrcLo = 0;
    this.innerMacDstHi = 0;
    this.innerMacDstLo = 0;
    this.wireguardReceiver = -1;
    this.wireguardCounter = -1;
  }

  #resetQuoted(): void {
    this.hasQuoted = false;
    this.quotedFamily = 0;
    this.quotedSrc0 = 0;
    this.quotedSrc1 = 0;
    this.quotedSrc2 = 0;
    this.quotedSrc3 = 0;
    this.quotedDst0 = 0;
    this.quotedDst1 = 0;
    this.quotedDst2 = 0;
    this.quotedDst3 = 0;
    this.quotedProtocol = -1;
    this.quotedIpId = -1;
    this.quotedIpLength = 0;
    this.quotedSport = -1;
    this.quotedDport = -1;
    this.quotedTcpSeq = 0;
    this.quotedIcmpType = -1;
    this.quotedIcmpId = -1;
    this.quotedIcmpSeq = -1;
  }

  #resetArp(): void {
    this.isArp = false;
    this.arpOp = -1;
    this.arpSenderMacHi = 0;
    this.arpSenderMacLo = 0;
    this.arpSenderIp = 0;
    this.arpTargetMacHi = 0;
    this.arpTargetMacLo = 0;
    this.arpTargetIp = 0;
  }

  /** Note the first thing found wrong; decoding may go on. */
  fail(error: number): void {
    if (this.error === PACKET_OK) this.error = error;
  }

  /**
   * Whether `need` bytes are there at the cursor. If not, says why: `error` when
   * the headers themselves leave no room, `truncated` when only the capture does.
   */
  has(need: number, error: number): boolean {
    if (this.end - this.cursor < need) {
      this.fail(error);
      // The start of such a header is read all the same, as far as it was captured.
      if (this.limit < this.end) this.truncated = true;
      return false;
    }
    if (this.limit - this.cursor < need) {
      this.truncated = true;
      return false;
    }
    return true;
  }
}
