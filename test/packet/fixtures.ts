import { hex } from './hex.js';
import type { Summary } from './summary.js';

/** One packet, byte for byte, and everything that is to be known of it. */
export interface Fixture {
  readonly name: string;
  /** How the bytes begin. */
  readonly link: 'ethernet' | 'ip';
  readonly bytes: Uint8Array;
  /** Whole frame, where the bytes are only its beginning. */
  readonly wireLength?: number;
  /** Every field that is not absent; see summary.ts. */
  readonly expected: Summary;
}

/** Node to node. */
const NODE_MACS = `
  52 54 00 d3 bf 21          # destination: node112 ens10
  52 54 00 dc c7 b4          # source: node111 ens10
`;
/** Pod to its host side. */
const POD_MACS = `
  ee ee ee ee ee ee          # destination: every cali device
  32 21 45 c4 c5 d5          # source: pod1 eth0
`;
const NODE_MAC_FIELDS = {
  hasMac: true,
  macDst: '52:54:00:d3:bf:21',
  macSrc: '52:54:00:dc:c7:b4',
} as const;
const POD_MAC_FIELDS = {
  hasMac: true,
  macDst: 'ee:ee:ee:ee:ee:ee',
  macSrc: '32:21:45:c4:c5:d5',
} as const;
const POD1 = '0a f4 99 cc            # 10.244.153.204, pod1';
const POD3 = '0a f4 92 cd            # 10.244.146.205, pod3';
const NODE111 = 'c0 a8 64 6f            # 192.168.100.111';
const NODE112 = 'c0 a8 64 70            # 192.168.100.112';
const POD1_V6 = `
  fd 00 02 44 00 00 00 00    # fd00:244::99cc, pod1
  00 00 00 00 00 00 99 cc`;
const POD3_V6 = `
  fd 00 02 44 00 00 00 00    # fd00:244::92cd, pod3
  00 00 00 00 00 00 92 cd`;
const NODE111_V6 = `
  fd 00 01 00 00 00 00 00    # fd00:100::111
  00 00 00 00 00 00 01 11`;
const NODE112_V6 = `
  fd 00 01 00 00 00 00 00    # fd00:100::112
  00 00 00 00 00 00 01 12`;

/** IPv4 84 bytes: the echo request of pod1 to pod3. */
const ECHO_IPV4 = `
  45 00                      # version 4, 5 words; tos 0
  00 54                      # total length 84
  1f 2e                      # identification
  40 00                      # DF, offset 0
  40 01                      # ttl 64, ICMP
  00 00                      # checksum
  ${POD1}
  ${POD3}
  08 00                      # echo request, code 0
  00 00                      # checksum
  dd 28                      # identifier 56616
  00 01                      # sequence 1
  aa*56                      # data
`;
const ECHO_FIELDS = {
  family: 4,
  src: '10.244.153.204',
  dst: '10.244.146.205',
  protocol: 1,
  ttl: 64,
  tos: 0,
  ipId: 0x1f2e,
  dontFragment: true,
  ipLength: 84,
  payloadLength: 56,
  icmpType: 8,
  icmpCode: 0,
  icmpId: 56616,
  icmpSeq: 1,
} as const;

/** IPv6 60 bytes: a bare TCP acknowledgment of pod1 to pod3. */
const ACK_IPV6 = `
  60 00 00 00                # version 6, class 0, flow 0
  00 14                      # payload length 20
  06 3f                      # TCP, hop limit 63
  ${POD1_V6}
  ${POD3_V6}
  96 d2                      # source port 38610
  00 50                      # destination port 80
  00 00 00 10                # sequence
  00 00 00 20                # acknowledgment
  50 10                      # 5 words, ACK
  01 f6                      # window
  00 00 00 00                # checksum, urgent
`;
const ACK_IPV6_FIELDS = {
  family: 6,
  src: 'fd00:244::99cc',
  dst: 'fd00:244::92cd',
  protocol: 6,
  ttl: 63,
  tos: 0,
  dontFragment: true,
  ipLength: 60,
  sport: 38610,
  dport: 80,
  tcpFlags: 0x10,
  tcpSeq: 16,
  tcpAck: 32,
  tcpWindow: 502,
} as const;

/** The first 20 bytes of an IPv4 header between the nodes. */
function nodesIpv4(length: number, protocol: number, fragment = '00 00'): string {
  return `
  45 00                      # version 4, 5 words; tos 0
  ${word16(length)}                      # total length ${length}
  00 07                      # identification
  ${fragment}                      # flags and fragment offset
  3e ${byte(protocol)}                      # ttl 62, protocol ${protocol}
  00 00                      # checksum
  ${NODE111}
  ${NODE112}
`;
}

function nodesIpv6(payload: number, next: number): string {
  return `
  60 00 00 00                # version 6, class 0, flow 0
  ${word16(payload)}                      # payload length ${payload}
  ${byte(next)} 40                      # next header ${next}, hop limit 64
  ${NODE111_V6}
  ${NODE112_V6}
`;
}

const OUTER_V4 = {
  depth: 1,
  outerFamily: 4,
  outerSrc: '192.168.100.111',
  outerDst: '192.168.100.112',
  outerTtl: 62,
  outerTos: 0,
  outerId: 7,
} as const;
const OUTER_V6 = {
  depth: 1,
  outerFamily: 6,
  outerSrc: 'fd00:100::111',
  outerDst: 'fd00:100::112',
  outerTtl: 64,
  outerTos: 0,
  outerDontFragment: true,
} as const;
const NODES_V4 = {
  family: 4,
  src: '192.168.100.111',
  dst: '192.168.100.112',
  ttl: 62,
  tos: 0,
  ipId: 7,
} as const;
const NODES_V6 = {
  family: 6,
  src: 'fd00:100::111',
  dst: 'fd00:100::112',
  ttl: 64,
  tos: 0,
  dontFragment: true,
} as const;

function byte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

function word16(value: number): string {
  return `${byte(value >> 8)} ${byte(value & 0xff)}`;
}

function frame(text: string): Uint8Array {
  return hex(text);
}

export const FIXTURES: readonly Fixture[] = [
  // ------------------------------------------------------------------ plain
  {
    name: 'ARP request for the pod gateway',
    link: 'ethernet',
    bytes: frame(`
      ff ff ff ff ff ff      # destination: broadcast
      32 21 45 c4 c5 d5      # source: pod1 eth0
      08 06                  # ARP
      00 01 08 00            # Ethernet, IPv4
      06 04                  # address lengths
      00 01                  # request
      32 21 45 c4 c5 d5      # sender MAC
      0a f4 99 cc            # sender 10.244.153.204
      00*6                   # target MAC: wanted
      a9 fe 01 01            # target 169.254.1.1
    `),
    expected: {
      hasMac: true,
      macDst: 'ff:ff:ff:ff:ff:ff',
      macSrc: '32:21:45:c4:c5:d5',
      etherType: 0x0806,
      isArp: true,
      arpOp: 1,
      arpSenderMac: '32:21:45:c4:c5:d5',
      arpSenderIp: '10.244.153.204',
      arpTargetIp: '169.254.1.1',
    },
  },
  {
    name: 'ARP reply by proxy_arp, padded to 60 bytes',
    link: 'ethernet',
    bytes: frame(`
      32 21 45 c4 c5 d5      # destination: pod1 eth0
      ee ee ee ee ee ee      # source: its cali device
      08 06                  # ARP
      00 01 08 00 06 04      # Ethernet, IPv4, lengths
      00 02                  # reply
      ee ee ee ee ee ee      # sender MAC
      a9 fe 01 01            # sender 169.254.1.1
      32 21 45 c4 c5 d5      # target MAC
      0a f4 99 cc            # target 10.244.153.204
      00*18                  # padding
    `),
    expected: {
      hasMac: true,
      macDst: '32:21:45:c4:c5:d5',
      macSrc: 'ee:ee:ee:ee:ee:ee',
      etherType: 0x0806,
      isArp: true,
      arpOp: 2,
      arpSenderMac: 'ee:ee:ee:ee:ee:ee',
      arpSenderIp: '169.254.1.1',
      arpTargetMac: '32:21:45:c4:c5:d5',
      arpTargetIp: '10.244.153.204',
    },
  },
  {
    name: 'ICMP echo request on a veth, 98 bytes',
    link: 'ethernet',
    bytes: frame(`${POD_MACS} 08 00 ${ECHO_IPV4}`),
    expected: {
      ...POD_MAC_FIELDS,
      etherType: 0x0800,
      ...ECHO_FIELDS,
      innerOffset: 14,
      transportOffset: 34,
    },
  },
  {
    name: 'TCP SYN with MSS and window scale',
    link: 'ethernet',
    bytes: frame(`
      ${POD_MACS}
      08 00                  # IPv4
      45 00 00 3c            # 5 words; total length 60
      ab cd 40 00            # identification; DF
      40 06 00 00            # ttl 64, TCP
      ${POD1}
      0a 6b a1 ff            # 10.107.161.255, the service
      96 d2 1f 90            # 38610 -> 8080
      ff ff ff f0            # sequence
      00 00 00 00            # acknowledgment
      a0 02 fe 88            # 10 words, SYN; window 65160
      00 00 00 00            # checksum, urgent
      02 04 05 a0            # MSS 1440
      04 02                  # SACK permitted
      08 0a 01 02 03 04 00*4 # timestamps
      01                     # no-op
      03 03 07               # window scale 7
    `),
    expected: {
      ...POD_MAC_FIELDS,
      etherType: 0x0800,
      family: 4,
      src: '10.244.153.204',
      dst: '10.107.161.255',
      protocol: 6,
      ttl: 64,
      tos: 0,
      ipId: 0xabcd,
      dontFragment: true,
      ipLength: 60,
      innerOffset: 14,
      transportOffset: 34,
      sport: 38610,
      dport: 8080,
      tcpFlags: 0x02,
      tcpSeq: 0xfffffff0,
      tcpWindow: 65160,
      tcpMss: 1440,
      tcpWindowScale: 7,
    },
  },
  {
    name: 'TCP data with timestamps, cut by the capture after the options',
    link: 'ethernet',
    bytes: frame(`
      ${POD_MACS}
      08 00                  # IPv4
      45 b8 05 dc            # 5 words, expedited forwarding; total length 1500
      00 01 40 00            # identification; DF
      3f 06 00 00            # ttl 63, TCP
      ${POD1}
      ${POD3}
      96 d2 00 50            # 38610 -> 80
      00 00 10 00            # sequence
      80 00 00 01            # acknowledgment
      80 18 01 f6            # 8 words, PSH ACK; window
      00 00 00 00            # checksum, urgent
      01 01 08 0a 00*8       # timestamps
      47 45 54 20            # data, 4 of 1448 bytes
    `),
    wireLength: 1514,
    expected: {
      ...POD_MAC_FIELDS,
      etherType: 0x0800,
      family: 4,
      src: '10.244.153.204',
      dst: '10.244.146.205',
      protocol: 6,
      ttl: 63,
      tos: 0xb8,
      ipId: 1,
      dontFragment: true,
      ipLength: 1500,
      innerOffset: 14,
      transportOffset: 34,
      sport: 38610,
      dport: 80,
      tcpFlags: 0x18,
      tcpSeq: 4096,
      tcpAck: 0x80000001,
      tcpWindow: 502,
      payloadLength: 1448,
    },
  },
  {
    name: 'UDP, its frame padded to 60 bytes',
    link: 'ethernet',
    bytes: frame(`
      ${NODE_MACS}
      08 00                  # IPv4
      45 00 00 1d            # total length 29
      00 02 00 00            # identification; may fragment
      40 11 00 00            # ttl 64, UDP
      ${NODE111}
      ${NODE112}
      d4 31 00 35            # 54321 -> 53
      00 09 00 00            # length 9, checksum
      21                     # data
      00*17                  # padding
    `),
    expected: {
      ...NODE_MAC_FIELDS,
      etherType: 0x0800,
      family: 4,
      src: '192.168.100.111',
      dst: '192.168.100.112',
      protocol: 17,
      ttl: 64,
      tos: 0,
      ipId: 2,
      ipLength: 29,
      innerOffset: 14,
      transportOffset: 34,
      sport: 54321,
      dport: 53,
      payloadLength: 1,
    },
  },
  {
    name: 'IPv4 with options (router alert), IGMP',
    link: 'ip',
    bytes: frame(`
      46 c0 00 20            # 6 words; total length 32
      00 00 40 00            # identification; DF
      01 02 00 00            # ttl 1, IGMP
      ${NODE111}
      e0 00 00 16            # 224.0.0.22
      94 04 00 00            # router alert
      22 00 00 00 00 00 00 00 # membership report
    `),
    expected: {
      family: 4,
      src: '192.168.100.111',
      dst: '224.0.0.22',
      protocol: 2,
      ttl: 1,
      tos: 0xc0,
      ipId: 0,
      dontFragment: true,
      ipLength: 32,
      innerOffset: 0,
      transportOffset: 24,
      payloadLength: 8,
    },
  },
  {
    name: 'first fragment of a UDP datagram, whose UDP length covers all of it',
    link: 'ip',
    bytes: frame(`
      45 00 00 2c            # total length 44
      00 63 20 00            # identification 99; MF, offset 0
      40 11 00 00            # ttl 64, UDP
      ${NODE111}
      ${NODE112}
      d4 31 14 51            # 54321 -> 5201
      0f a8 00 00            # length 4008, checksum
      55*16                  # the first 16 bytes of data
    `),
    expected: {
      family: 4,
      src: '192.168.100.111',
      dst: '192.168.100.112',
      protocol: 17,
      ttl: 64,
      tos: 0,
      ipId: 99,
      moreFragments: true,
      ipLength: 44,
      innerOffset: 0,
      transportOffset: 20,
      sport: 54321,
      dport: 5201,
      payloadLength: 16,
    },
  },
  {
    name: 'later fragment: no ports, though its bytes look like some',
    link: 'ip',
    bytes: frame(`
      45 00 00 24            # total length 36
      00 63 00 b9            # identification 99; offset 185 * 8
      40 11 00 00            # ttl 64, UDP
      ${NODE111}
      ${NODE112}
      00 35 12 b5            # data that would be ports 53 and 4789
      55*12                  # data
    `),
    expected: {
      family: 4,
      src: '192.168.100.111',
      dst: '192.168.100.112',
      protocol: 17,
      ttl: 64,
      tos: 0,
      ipId: 99,
      fragmentOffset: 1480,
      ipLength: 36,
      innerOffset: 0,
      payloadLength: 16,
    },
  },
  {
    name: 'VLAN 100, priority 5',
    link: 'ethernet',
    bytes: frame(`${NODE_MACS} 81 00 a0 64 08 00 ${ECHO_IPV4}`),
    expected: {
      ...NODE_MAC_FIELDS,
      vlanId: 100,
      vlanProto: 0x8100,
      vlanPriority: 5,
      etherType: 0x0800,
      ...ECHO_FIELDS,
      innerOffset: 18,
      transportOffset: 38,
    },
  },
  {
    name: 'stacked VLANs 200 and 100',
    link: 'ethernet',
    bytes: frame(`
      ${NODE_MACS}
      88 a8 00 c8            # 802.1ad, VLAN 200
      81 00 00 64            # 802.1Q, VLAN 100
      08 00 ${ECHO_IPV4}
    `),
    expected: {
      ...NODE_MAC_FIELDS,
      vlanId: 200,
      vlanProto: 0x88a8,
      vlanPriority: 0,
      vlanInnerId: 100,
      etherType: 0x0800,
      ...ECHO_FIELDS,
      innerOffset: 22,
      transportOffset: 42,
    },
  },
  {
    name: 'a protocol that is not decoded (LLDP)',
    link: 'ethernet',
    bytes: frame(`01 80 c2 00 00 0e 52 54 00 dc c7 b4 88 cc 02 07 04 00*6`),
    expected: {
      hasMac: true,
      macDst: '01:80:c2:00:00:0e',
      macSrc: '52:54:00:dc:c7:b4',
      etherType: 0x88cc,
    },
  },
  {
    name: '802.3 length instead of a type (spanning tree)',
    link: 'ethernet',
    bytes: frame(`01 80 c2 00 00 00 52 54 00 dc c7 b4 00 26 42 42 03 00*35`),
    expected: {
      hasMac: true,
      macDst: '01:80:c2:00:00:00',
      macSrc: '52:54:00:dc:c7:b4',
      etherType: 38,
    },
  },
  {
    name: 'SCTP',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(36, 132)}
      0b 59 0b 5a            # 2905 -> 2906
      01 02 03 04 00 00 00 00 # tag, checksum
      0b 00 00 04            # COOKIE ACK
    `),
    expected: {
      ...NODES_V4,
      protocol: 132,
      ipLength: 36,
      innerOffset: 0,
      transportOffset: 20,
      sport: 2905,
      dport: 2906,
      payloadLength: 4,
    },
  },
  {
    name: 'ESP stays opaque',
    link: 'ip',
    bytes: frame(`${nodesIpv4(60, 50)} 00 00 10 01 00 00 00 01 99*32`),
    expected: {
      ...NODES_V4,
      protocol: 50,
      ipLength: 60,
      innerOffset: 0,
      transportOffset: 20,
      payloadLength: 40,
    },
  },
  // ------------------------------------------------------------------- IPv6
  {
    name: 'IPv6 TCP',
    link: 'ethernet',
    bytes: frame(`${POD_MACS} 86 dd ${ACK_IPV6}`),
    expected: {
      ...POD_MAC_FIELDS,
      etherType: 0x86dd,
      ...ACK_IPV6_FIELDS,
      innerOffset: 14,
      transportOffset: 54,
    },
  },
  {
    name: 'ICMPv6 echo reply with traffic class',
    link: 'ip',
    bytes: frame(`
      6b 80 00 00            # class 0xb8
      00 0c 3a 40            # payload 12, ICMPv6, hop limit 64
      ${POD1_V6}
      ${POD3_V6}
      81 00 00 00            # echo reply
      12 34 00 09            # identifier, sequence
      01 02 03 04            # data
    `),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 58,
      ttl: 64,
      tos: 0xb8,
      dontFragment: true,
      ipLength: 52,
      innerOffset: 0,
      transportOffset: 40,
      payloadLength: 4,
      icmpType: 129,
      icmpCode: 0,
      icmpId: 0x1234,
      icmpSeq: 9,
    },
  },
  {
    name: 'IPv6 with hop-by-hop, routing and destination options, then UDP',
    link: 'ip',
    bytes: frame(`
      60 00 00 00
      00 38 00 40            # payload 56, hop-by-hop
      ${POD1_V6}
      ${POD3_V6}
      2b 00 05 02 00 00 01 00 # routing next; 8 bytes: router alert, padding
      3c 02 04 00 00 00 00 00 # destination next; 24 bytes: segment routing, 0 left
      00*16                   # one segment
      11 01 01 0c 00*12       # UDP next; 16 bytes: padding
      10 00 20 00             # 4096 -> 8192
      00 08 00 00             # length 8
    `),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 17,
      ttl: 64,
      tos: 0,
      dontFragment: true,
      ipLength: 96,
      innerOffset: 0,
      transportOffset: 88,
      sport: 4096,
      dport: 8192,
    },
  },
  {
    name: 'first IPv6 fragment',
    link: 'ip',
    bytes: frame(`
      60 00 00 00
      00 18 2c 40            # payload 24, fragment
      ${POD1_V6}
      ${POD3_V6}
      11 00 00 01            # UDP next; offset 0, more
      de ad be ef            # identification
      10 00 20 00            # 4096 -> 8192
      05 dc 00 00            # length 1500, of the whole datagram
      00*8                   # data
    `),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 17,
      ttl: 64,
      tos: 0,
      ipId: 0xdeadbeef,
      dontFragment: true,
      moreFragments: true,
      ipLength: 64,
      innerOffset: 0,
      transportOffset: 48,
      sport: 4096,
      dport: 8192,
      payloadLength: 8,
    },
  },
  {
    name: 'later IPv6 fragment, whose data begins with what names an extension header',
    link: 'ip',
    bytes: frame(`
      60 00 00 00
      00 10 2c 40            # payload 16, fragment
      ${POD1_V6}
      ${POD3_V6}
      3c 00 05 a8            # destination options next; offset 1448, last
      de ad be ef            # identification
      3c 00 00 00 00 00 00 00 # data
    `),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 60,
      ttl: 64,
      tos: 0,
      ipId: 0xdeadbeef,
      dontFragment: true,
      fragmentOffset: 1448,
      ipLength: 56,
      innerOffset: 0,
      payloadLength: 8,
    },
  },
  {
    name: 'fragment of a fragment: the header met first counts, the transport header is elsewhere',
    link: 'ip',
    bytes: frame(`
      60 00 00 00
      00 18 2c 40            # payload 24, fragment
      ${POD1_V6}
      ${POD3_V6}
      2c 00 00 01            # fragment next; offset 0, more
      00 00 00 01            # identification 1
      11 00 00 08            # UDP next; offset 8
      00 00 00 02            # identification 2
      10 00 20 00            # data, though it looks like ports
      00 08 00 00            # length 8
    `),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 17,
      ttl: 64,
      tos: 0,
      ipId: 1,
      dontFragment: true,
      moreFragments: true,
      ipLength: 64,
      innerOffset: 0,
      payloadLength: 8,
    },
  },
  {
    name: 'IPv6 authentication header, then TCP',
    link: 'ip',
    bytes: frame(`
      60 00 00 00
      00 2c 33 40            # payload 44, AH
      ${POD1_V6}
      ${POD3_V6}
      06 04 00 00            # TCP next; (4 + 2) * 4 bytes
      00 00 01 00 00 00 00 01 # SPI, sequence
      00*12                  # check value
      96 d2 00 50            # 38610 -> 80
      00 00 00 01 00 00 00 00 # sequence, acknowledgment
      50 04 00 00 00 00 00 00 # 5 words, RST
    `),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 6,
      ttl: 64,
      tos: 0,
      dontFragment: true,
      ipLength: 84,
      innerOffset: 0,
      transportOffset: 64,
      sport: 38610,
      dport: 80,
      tcpFlags: 0x04,
      tcpSeq: 1,
      tcpWindow: 0,
    },
  },
  {
    name: 'IPv6 without anything after it',
    link: 'ip',
    bytes: frame(`60 00 00 00 00 00 3b 40 ${POD1_V6} ${POD3_V6}`),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 59,
      ttl: 64,
      tos: 0,
      dontFragment: true,
      ipLength: 40,
      innerOffset: 0,
      transportOffset: 40,
    },
  },
  // ------------------------------------------------------------ ICMP errors
  {
    name: 'fragmentation needed, MTU 1480, about a TCP segment',
    link: 'ip',
    bytes: frame(`
      45 c0 00 38            # total length 56
      00 05 00 00
      40 01 00 00            # ttl 64, ICMP
      a9 fe 01 01            # 169.254.1.1
      ${POD1}
      03 04 00 00            # unreachable, fragmentation needed
      00 00 05 c8            # MTU 1480
      45 00 05 dc            # quoted: total length 1500
      00 42 40 00            # identification 66; DF
      3f 06 00 00            # ttl 63, TCP
      ${POD1}
      ${POD3}
      96 d2 00 50            # 38610 -> 80
      00 00 10 00            # sequence
    `),
    expected: {
      family: 4,
      src: '169.254.1.1',
      dst: '10.244.153.204',
      protocol: 1,
      ttl: 64,
      tos: 0xc0,
      ipId: 5,
      ipLength: 56,
      innerOffset: 0,
      transportOffset: 20,
      payloadLength: 28,
      icmpType: 3,
      icmpCode: 4,
      icmpMtu: 1480,
      hasQuoted: true,
      quotedFamily: 4,
      quotedSrc: '10.244.153.204',
      quotedDst: '10.244.146.205',
      quotedProtocol: 6,
      quotedIpId: 66,
      quotedIpLength: 1500,
      quotedSport: 38610,
      quotedDport: 80,
      quotedTcpSeq: 4096,
    },
  },
  {
    name: 'time exceeded about an echo request',
    link: 'ip',
    bytes: frame(`
      45 00 00 38 00 06 00 00 40 01 00 00
      ${NODE111}
      ${POD1}
      0b 00 00 00            # time exceeded in transit
      00 00 00 00            # unused
      45 00 00 54            # quoted: total length 84
      1f 2e 40 00            # identification
      01 01 00 00            # ttl 1, ICMP
      ${POD1}
      ${POD3}
      08 00 00 00            # echo request
      dd 28 00 01            # identifier, sequence
    `),
    expected: {
      family: 4,
      src: '192.168.100.111',
      dst: '10.244.153.204',
      protocol: 1,
      ttl: 64,
      tos: 0,
      ipId: 6,
      ipLength: 56,
      innerOffset: 0,
      transportOffset: 20,
      payloadLength: 28,
      icmpType: 11,
      icmpCode: 0,
      hasQuoted: true,
      quotedFamily: 4,
      quotedSrc: '10.244.153.204',
      quotedDst: '10.244.146.205',
      quotedProtocol: 1,
      quotedIpId: 0x1f2e,
      quotedIpLength: 84,
      quotedIcmpType: 8,
      quotedIcmpId: 56616,
      quotedIcmpSeq: 1,
    },
  },
  {
    name: 'ICMPv6 packet too big about a TCP segment',
    link: 'ip',
    bytes: frame(`
      60 00 00 00
      00 44 3a 40            # payload 68, ICMPv6
      ${NODE111_V6}
      ${POD1_V6}
      02 00 00 00            # packet too big
      00 00 05 78            # MTU 1400
      ${ACK_IPV6}
    `),
    expected: {
      family: 6,
      src: 'fd00:100::111',
      dst: 'fd00:244::99cc',
      protocol: 58,
      ttl: 64,
      tos: 0,
      dontFragment: true,
      ipLength: 108,
      innerOffset: 0,
      transportOffset: 40,
      payloadLength: 60,
      icmpType: 2,
      icmpCode: 0,
      icmpMtu: 1400,
      hasQuoted: true,
      quotedFamily: 6,
      quotedSrc: 'fd00:244::99cc',
      quotedDst: 'fd00:244::92cd',
      quotedProtocol: 6,
      quotedIpLength: 60,
      quotedSport: 38610,
      quotedDport: 80,
      quotedTcpSeq: 16,
    },
  },
  {
    name: 'ICMPv6 neighbour solicitation: neither identifier nor quoted packet',
    link: 'ip',
    bytes: frame(`
      60 00 00 00 00 20 3a ff
      ${NODE111_V6}
      ${NODE112_V6}
      87 00 00 00 00 00 00 00 # neighbour solicitation
      ${NODE112_V6}           # target
      01 01 52 54 00 dc c7 b4 # source link-layer address
    `),
    expected: {
      family: 6,
      src: 'fd00:100::111',
      dst: 'fd00:100::112',
      protocol: 58,
      ttl: 255,
      tos: 0,
      dontFragment: true,
      ipLength: 72,
      innerOffset: 0,
      transportOffset: 40,
      payloadLength: 24,
      icmpType: 135,
      icmpCode: 0,
    },
  },
  // ---------------------------------------------------------------- tunnels
  {
    name: 'IPIP on the wire, 118 bytes',
    link: 'ethernet',
    bytes: frame(`${NODE_MACS} 08 00 ${nodesIpv4(104, 4)} ${ECHO_IPV4}`),
    expected: {
      ...NODE_MAC_FIELDS,
      etherType: 0x0800,
      outerType: 1,
      ...OUTER_V4,
      outerLength: 104,
      outerOffset: 14,
      overhead: 20,
      ...ECHO_FIELDS,
      innerOffset: 34,
      transportOffset: 54,
    },
  },
  {
    name: 'SIT: IPv6 in IPv4',
    link: 'ip',
    bytes: frame(`${nodesIpv4(80, 41)} ${ACK_IPV6}`),
    expected: {
      outerType: 6,
      ...OUTER_V4,
      outerLength: 80,
      outerOffset: 0,
      overhead: 20,
      ...ACK_IPV6_FIELDS,
      innerOffset: 20,
      transportOffset: 60,
    },
  },
  {
    name: 'IPv6 in IPv6, with the tunnel encapsulation limit option',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv6(68, 60)}
      29 00 04 01 04 01 01 00 # IPv6 next; limit 4, padding
      ${ACK_IPV6}
    `),
    expected: {
      outerType: 5,
      ...OUTER_V6,
      outerLength: 108,
      outerOffset: 0,
      overhead: 48,
      ...ACK_IPV6_FIELDS,
      innerOffset: 48,
      transportOffset: 88,
    },
  },
  {
    name: 'IPv4 in IPv6',
    link: 'ip',
    bytes: frame(`${nodesIpv6(84, 4)} ${ECHO_IPV4}`),
    expected: {
      outerType: 5,
      ...OUTER_V6,
      outerLength: 124,
      outerOffset: 0,
      overhead: 40,
      ...ECHO_FIELDS,
      innerOffset: 40,
      transportOffset: 60,
    },
  },
  {
    name: 'GRE carrying IPv4',
    link: 'ip',
    bytes: frame(`${nodesIpv4(108, 47)} 00 00 08 00 ${ECHO_IPV4}`),
    expected: {
      outerType: 3,
      ...OUTER_V4,
      outerLength: 108,
      outerOffset: 0,
      overhead: 24,
      ...ECHO_FIELDS,
      innerOffset: 24,
      transportOffset: 44,
    },
  },
  {
    name: 'GRE with checksum, key and sequence, carrying IPv6',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(96, 47)}
      b0 00 86 dd            # checksum, key, sequence; IPv6
      00 00 00 00            # checksum
      ff 00 00 2a            # key
      00 00 00 01            # sequence
      ${ACK_IPV6}
    `),
    expected: {
      outerType: 3,
      ...OUTER_V4,
      outerLength: 96,
      outerOffset: 0,
      greKey: 0xff00002a,
      overhead: 36,
      ...ACK_IPV6_FIELDS,
      innerOffset: 36,
      transportOffset: 76,
    },
  },
  {
    name: 'GRE carrying Ethernet',
    link: 'ip',
    bytes: frame(`${nodesIpv4(122, 47)} 00 00 65 58 ${POD_MACS} 08 00 ${ECHO_IPV4}`),
    expected: {
      outerType: 3,
      ...OUTER_V4,
      outerLength: 122,
      outerOffset: 0,
      overhead: 38,
      hasInnerMac: true,
      innerMacDst: 'ee:ee:ee:ee:ee:ee',
      innerMacSrc: '32:21:45:c4:c5:d5',
      ...ECHO_FIELDS,
      innerOffset: 38,
      transportOffset: 58,
    },
  },
  {
    name: 'GRE version 1 (PPTP) stays opaque',
    link: 'ip',
    bytes: frame(`${nodesIpv4(36, 47)} 30 01 88 0b 00 04 00 01 00 00 00 01 ff 03 00 21`),
    expected: {
      ...NODES_V4,
      protocol: 47,
      ipLength: 36,
      innerOffset: 0,
      transportOffset: 20,
      payloadLength: 16,
    },
  },
  {
    name: 'VXLAN on the wire, 148 bytes',
    link: 'ethernet',
    bytes: frame(`
      ${NODE_MACS}
      08 00 ${nodesIpv4(134, 17)}
      b0 e1 12 b5            # 45281 -> 4789
      00 72 00 00            # length 114
      08 00 00 00            # VNI is valid
      00 10 00 00            # VNI 4096
      ${POD_MACS}
      08 00 ${ECHO_IPV4}
    `),
    expected: {
      ...NODE_MAC_FIELDS,
      etherType: 0x0800,
      outerType: 2,
      ...OUTER_V4,
      outerSport: 45281,
      outerDport: 4789,
      outerLength: 134,
      outerOffset: 14,
      vni: 4096,
      overhead: 50,
      hasInnerMac: true,
      innerMacDst: 'ee:ee:ee:ee:ee:ee',
      innerMacSrc: '32:21:45:c4:c5:d5',
      ...ECHO_FIELDS,
      innerOffset: 64,
      transportOffset: 84,
    },
  },
  {
    name: 'VXLAN over IPv6 on the old port, inner VLAN, IPv6 inside',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv6(94, 17)}
      b0 e1 21 18            # 45281 -> 8472
      00 5e 00 00            # length 94
      08 00 00 00            # VNI is valid
      00 00 01 00            # VNI 1
      ${POD_MACS}
      81 00 00 07            # VLAN 7
      86 dd ${ACK_IPV6}
    `),
    expected: {
      outerType: 2,
      ...OUTER_V6,
      outerSport: 45281,
      outerDport: 8472,
      outerLength: 134,
      outerOffset: 0,
      vni: 1,
      overhead: 74,
      hasInnerMac: true,
      innerMacDst: 'ee:ee:ee:ee:ee:ee',
      innerMacSrc: '32:21:45:c4:c5:d5',
      ...ACK_IPV6_FIELDS,
      innerOffset: 74,
      transportOffset: 114,
    },
  },
  {
    name: 'ARP inside VXLAN',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(78, 17)}
      b0 e1 12 b5 00 3a 00 00 # 45281 -> 4789, length 58
      08 00 00 00 00 10 00 00 # VNI 4096
      ff*6 32 21 45 c4 c5 d5  # broadcast
      08 06
      00 01 08 00 06 04 00 01
      32 21 45 c4 c5 d5 0a f4 99 cc
      00*6 0a f4 92 cd
    `),
    expected: {
      outerType: 2,
      ...OUTER_V4,
      outerSport: 45281,
      outerDport: 4789,
      outerLength: 78,
      outerOffset: 0,
      vni: 4096,
      overhead: 50,
      hasInnerMac: true,
      innerMacDst: 'ff:ff:ff:ff:ff:ff',
      innerMacSrc: '32:21:45:c4:c5:d5',
      isArp: true,
      arpOp: 1,
      arpSenderMac: '32:21:45:c4:c5:d5',
      arpSenderIp: '10.244.153.204',
      arpTargetIp: '10.244.146.205',
    },
  },
  {
    name: 'something else on the VXLAN port: the VNI flag is missing',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(40, 17)}
      b0 e1 12 b5 00 14 00 00 # 45281 -> 4789, length 20
      00 00 00 00 00 10 00 00
      01 02 03 04
    `),
    expected: {
      ...NODES_V4,
      protocol: 17,
      ipLength: 40,
      innerOffset: 0,
      transportOffset: 20,
      sport: 45281,
      dport: 4789,
      payloadLength: 12,
    },
  },
  {
    name: 'Geneve with options, carrying Ethernet',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(142, 17)}
      e0 01 17 c1            # 57345 -> 6081
      00 7a 00 00            # length 122
      02 40 65 58            # 2 words of options, critical; Ethernet
      00 00 05 00            # VNI 5
      01 02 80 01 00 00 00 0a # option of class 0x0102
      ${POD_MACS}
      08 00 ${ECHO_IPV4}
    `),
    expected: {
      outerType: 4,
      ...OUTER_V4,
      outerSport: 57345,
      outerDport: 6081,
      outerLength: 142,
      outerOffset: 0,
      vni: 5,
      overhead: 58,
      hasInnerMac: true,
      innerMacDst: 'ee:ee:ee:ee:ee:ee',
      innerMacSrc: '32:21:45:c4:c5:d5',
      ...ECHO_FIELDS,
      innerOffset: 58,
      transportOffset: 78,
    },
  },
  {
    name: 'Geneve carrying IPv6 without an Ethernet header',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(96, 17)}
      e0 01 17 c1 00 4c 00 00 # 57345 -> 6081, length 76
      00 00 86 dd 00 00 05 00 # no options; IPv6; VNI 5
      ${ACK_IPV6}
    `),
    expected: {
      outerType: 4,
      ...OUTER_V4,
      outerSport: 57345,
      outerDport: 6081,
      outerLength: 96,
      outerOffset: 0,
      vni: 5,
      overhead: 36,
      ...ACK_IPV6_FIELDS,
      innerOffset: 36,
      transportOffset: 76,
    },
  },
  {
    name: 'WireGuard data: what is inside cannot be read',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(156, 17)}
      ca 6c ca 6c 00 88 00 00 # 51820 -> 51820, length 136
      04 00 00 00            # transport data
      78 56 34 92            # receiver, little-endian
      05 00 00 00 01 00 00 00 # counter 2^32 + 5
      77*96                  # 84 bytes padded to 96
      66*16                  # tag
    `),
    expected: {
      outerType: 7,
      ...OUTER_V4,
      outerSport: 51820,
      outerDport: 51820,
      outerLength: 156,
      outerOffset: 0,
      overhead: 60,
      wireguardReceiver: 0x92345678,
      wireguardCounter: 2 ** 32 + 5,
      ...NODES_V4,
      protocol: 17,
      ipLength: 156,
      innerOffset: 0,
      transportOffset: 20,
      sport: 51820,
      dport: 51820,
      payloadLength: 128,
    },
  },
  {
    name: 'WireGuard keepalive over IPv6, on the port of the IPv6 device',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv6(40, 17)}
      ca 6d ca 6d 00 28 00 00 # 51821 -> 51821, length 40
      04 00 00 00 01 00 00 00 09 00 00 00 00 00 00 00
      66*16
    `),
    expected: {
      outerType: 7,
      ...OUTER_V6,
      outerSport: 51821,
      outerDport: 51821,
      outerLength: 80,
      outerOffset: 0,
      overhead: 80,
      wireguardReceiver: 1,
      wireguardCounter: 9,
      ...NODES_V6,
      protocol: 17,
      ipLength: 80,
      innerOffset: 0,
      transportOffset: 40,
      sport: 51821,
      dport: 51821,
      payloadLength: 32,
    },
  },
  {
    name: 'WireGuard handshake: plain UDP, no tunnel',
    link: 'ip',
    bytes: frame(`${nodesIpv4(176, 17)} ca 6c ca 6c 00 9c 00 00 01 00 00 00 55*144`),
    expected: {
      ...NODES_V4,
      protocol: 17,
      ipLength: 176,
      innerOffset: 0,
      transportOffset: 20,
      sport: 51820,
      dport: 51820,
      payloadLength: 148,
    },
  },
  {
    name: 'VXLAN inside IPIP: the nearest encapsulation, and how many there are',
    link: 'ip',
    bytes: frame(`
      45 00 00 9a 00 08 00 00 40 04 00 00 # total length 154, IPIP
      01 01 01 01            # 1.1.1.1
      02 02 02 02            # 2.2.2.2
      ${nodesIpv4(134, 17)}
      b0 e1 12 b5 00 72 00 00
      08 00 00 00 00 10 00 00
      ${POD_MACS}
      08 00 ${ECHO_IPV4}
    `),
    expected: {
      outerType: 2,
      ...OUTER_V4,
      depth: 2,
      outerSport: 45281,
      outerDport: 4789,
      outerLength: 134,
      outerOffset: 20,
      vni: 4096,
      overhead: 50,
      hasInnerMac: true,
      innerMacDst: 'ee:ee:ee:ee:ee:ee',
      innerMacSrc: '32:21:45:c4:c5:d5',
      ...ECHO_FIELDS,
      innerOffset: 70,
      transportOffset: 90,
    },
  },
  {
    name: 'IPIP inside VXLAN: nothing of the VXLAN is left over',
    link: 'ip',
    bytes: frame(`
      ${nodesIpv4(154, 17)}
      b0 e1 12 b5 00 86 00 00
      08 00 00 00 00 10 00 00
      ${POD_MACS}
      08 00
      45 00 00 68 00 08 00 00 40 04 00 00 # total length 104, IPIP
      01 01 01 01 02 02 02 02
      ${ECHO_IPV4}
    `),
    expected: {
      outerType: 1,
      depth: 2,
      outerFamily: 4,
      outerSrc: '1.1.1.1',
      outerDst: '2.2.2.2',
      outerTtl: 64,
      outerTos: 0,
      outerId: 8,
      outerLength: 104,
      outerOffset: 50,
      overhead: 20,
      ...ECHO_FIELDS,
      innerOffset: 70,
      transportOffset: 90,
    },
  },
  {
    name: 'first fragment of an IPIP packet: the inner length goes past it',
    link: 'ip',
    bytes: frame(`${nodesIpv4(60, 4, '20 00')} ${ECHO_IPV4}`).slice(0, 60),
    wireLength: 60,
    expected: {
      outerType: 1,
      ...OUTER_V4,
      outerMoreFragments: true,
      outerLength: 60,
      outerOffset: 0,
      overhead: 20,
      ...ECHO_FIELDS,
      innerOffset: 20,
      transportOffset: 40,
    },
  },
  {
    name: 'later fragment of an IPIP packet: nothing inside to read',
    link: 'ip',
    bytes: frame(`${nodesIpv4(64, 4, '00 05')} 45*44`),
    expected: {
      ...NODES_V4,
      protocol: 4,
      fragmentOffset: 40,
      ipLength: 64,
      innerOffset: 0,
      payloadLength: 44,
    },
  },
  // ------------------------------------------------------- GSO packets
  {
    name: 'IPv4 GSO packet beyond 64 KiB: length 0, taken from the frame',
    link: 'ip',
    wireLength: 100_052,
    bytes: frame(`
      45 00 00 00            # total length 0
      00 01 40 00 40 06 00 00
      ${POD1}
      ${POD3}
      96 d2 00 50 00 00 00 01 00 00 00 01
      80 10 01 f6 00 00 00 00
      01 01 08 0a 00*8
    `),
    expected: {
      family: 4,
      src: '10.244.153.204',
      dst: '10.244.146.205',
      protocol: 6,
      ttl: 64,
      tos: 0,
      ipId: 1,
      dontFragment: true,
      ipLength: 100_052,
      innerOffset: 0,
      transportOffset: 20,
      sport: 38610,
      dport: 80,
      tcpFlags: 0x10,
      tcpSeq: 1,
      tcpAck: 1,
      tcpWindow: 502,
      payloadLength: 100_000,
    },
  },
  {
    name: 'IPv6 jumbogram',
    link: 'ip',
    wireLength: 100_068,
    bytes: frame(`
      60 00 00 00 00 00 00 40 # payload length 0, hop-by-hop
      ${POD1_V6}
      ${POD3_V6}
      06 00 c2 04 00 01 86 bc # TCP next; jumbo payload 100028
      96 d2 00 50 00 00 00 01 00 00 00 01
      50 10 01 f6 00 00 00 00
    `),
    expected: {
      family: 6,
      src: 'fd00:244::99cc',
      dst: 'fd00:244::92cd',
      protocol: 6,
      ttl: 64,
      tos: 0,
      dontFragment: true,
      ipLength: 100_068,
      innerOffset: 0,
      transportOffset: 48,
      sport: 38610,
      dport: 80,
      tcpFlags: 0x10,
      tcpSeq: 1,
      tcpAck: 1,
      tcpWindow: 502,
      payloadLength: 100_000,
    },
  },
];

/** Frames by name, for tests that start from one and damage it. */
export function fixture(name: string): Fixture {
  const found = FIXTURES.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no fixture named '${name}'`);
  return found;
}
