/** IP protocol numbers (IANA "Assigned Internet Protocol Numbers"). */
export const PROTO_HOP_BY_HOP = 0;
export const PROTO_ICMP = 1;
export const PROTO_IPIP = 4;
export const PROTO_TCP = 6;
export const PROTO_UDP = 17;
export const PROTO_DCCP = 33;
export const PROTO_IPV6 = 41;
export const PROTO_ROUTING = 43;
export const PROTO_FRAGMENT = 44;
export const PROTO_GRE = 47;
export const PROTO_ESP = 50;
export const PROTO_AH = 51;
export const PROTO_ICMPV6 = 58;
export const PROTO_DESTINATION = 60;
export const PROTO_SCTP = 132;
export const PROTO_MOBILITY = 135;
export const PROTO_UDPLITE = 136;
export const PROTO_HIP = 139;
export const PROTO_SHIM6 = 140;

/** EtherTypes (IEEE 802). */
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_TEB = 0x6558;
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_IPV6 = 0x86dd;
export const ETHERTYPE_QINQ = 0x88a8;
/** Pre-standard tag of stacked VLANs, still sent by some switches. */
export const ETHERTYPE_QINQ_OLD = 0x9100;

const NAMES: readonly string[] = Array.from({ length: 256 }, (_, number) => {
  switch (number) {
    case PROTO_ICMP:
      return 'icmp';
    case PROTO_TCP:
      return 'tcp';
    case PROTO_UDP:
      return 'udp';
    case PROTO_GRE:
      return 'gre';
    case PROTO_ESP:
      return 'esp';
    case PROTO_ICMPV6:
      return 'icmpv6';
    case PROTO_SCTP:
      return 'sctp';
    default:
      return `ip-${number}`;
  }
});

/** The name records use for an IP protocol number: `tcp`, `udp`, …, else `ip-<number>`. */
export function protocolName(protocol: number): string {
  return NAMES[protocol] ?? `ip-${protocol}`;
}
