/**
 * What can be wrong with the bytes of a packet. Numbers live in
 * `DecodedPacket.error` (cheap to set and compare); names are stable and are what
 * counters and records show.
 */
export const PACKET_OK = 0;
/** The version nibble is neither 4 nor 6, or not the one the EtherType promised. */
export const ERROR_IP_VERSION = 1;
/** IPv4 header length below 5 words. */
export const ERROR_IPV4_HEADER_LENGTH = 2;
/** The IP length field is smaller than the headers it must cover. */
export const ERROR_IP_LENGTH_SHORT = 3;
/** The IP length field claims more than the frame, or the packet around it, holds. */
export const ERROR_IP_LENGTH_LONG = 4;
/** More IPv6 extension headers than MAX_IPV6_EXTENSIONS. */
export const ERROR_IPV6_EXTENSIONS = 5;
/** TCP data offset below 5 words. */
export const ERROR_TCP_OFFSET = 6;
/** A TCP option whose length runs out of the header. */
export const ERROR_TCP_OPTION = 7;
/** The UDP length is below 8 or more than the IP packet holds. */
export const ERROR_UDP_LENGTH = 8;
/** A transport header that does not fit in the length its IP header declares. */
export const ERROR_TRANSPORT_SHORT = 9;
/** More tunnels in one another than MAX_ENCAPSULATIONS. */
export const ERROR_NESTING = 10;
/** ARP for anything but IPv4 over Ethernet. */
export const ERROR_ARP_FORMAT = 11;
/** The packet quoted in an ICMP error is not an IP packet. */
export const ERROR_QUOTED = 12;
/** More VLAN tags than MAX_VLAN_TAGS. */
export const ERROR_VLAN_TAGS = 13;
/** A tunnel header that does not fit in the packet that carries it. */
export const ERROR_TUNNEL_SHORT = 14;
/** An IPv6 extension header that does not fit in the length the IPv6 header declares. */
export const ERROR_IPV6_EXTENSION_SHORT = 15;

const NAMES: readonly string[] = [
  'PACKET_OK',
  'PACKET_IP_VERSION',
  'PACKET_IPV4_HEADER_LENGTH',
  'PACKET_IP_LENGTH_SHORT',
  'PACKET_IP_LENGTH_LONG',
  'PACKET_IPV6_EXTENSIONS',
  'PACKET_TCP_OFFSET',
  'PACKET_TCP_OPTION',
  'PACKET_UDP_LENGTH',
  'PACKET_TRANSPORT_SHORT',
  'PACKET_NESTING',
  'PACKET_ARP_FORMAT',
  'PACKET_EMBEDDED',
  'PACKET_VLAN_TAGS',
  'PACKET_TUNNEL_SHORT',
  'PACKET_IPV6_EXTENSION_SHORT',
];

/** How many error numbers there are, `PACKET_OK` included: the size of a counter array. */
export const PACKET_ERROR_COUNT = NAMES.length;

/** The stable name of an error number, for counters and records. */
export function packetErrorName(error: number): string {
  return NAMES[error] ?? `PACKET_${error}`;
}
