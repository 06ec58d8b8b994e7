import { describe, expect, it } from 'vitest';
import { decodeEthernet, decodeIp } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { MAX_ENCAPSULATIONS } from '../../src/packet/encapsulation.js';
import { MAX_VLAN_TAGS } from '../../src/packet/ethernet.js';
import { MAX_IPV6_EXTENSIONS } from '../../src/packet/ipv6-extensions.js';
import { PACKET_ERROR_COUNT, packetErrorName } from '../../src/packet/packet-error.js';
import { hex, viewOf } from './hex.js';

const SRC_DST = '0a 00 00 01 0a 00 00 02';
const V6_SRC_DST = 'fd*16 fe*16';

interface Case {
  readonly name: string;
  readonly error: string;
  readonly bytes: string;
  readonly link?: 'ethernet';
  /** Fields that are known nevertheless. */
  readonly known?: Partial<DecodedPacket>;
}

const CASES: readonly Case[] = [
  { name: 'version 5', error: 'PACKET_IP_VERSION', bytes: '55 00*40', known: { family: 0 } },
  {
    name: 'version 6 under the IPv4 EtherType',
    error: 'PACKET_IP_VERSION',
    link: 'ethernet',
    bytes: '02*12 08 00 60 00*40',
    known: { family: 0, hasMac: true },
  },
  {
    name: 'version 4 under the IPv6 EtherType',
    error: 'PACKET_IP_VERSION',
    link: 'ethernet',
    bytes: '02*12 86 dd 45 00*40',
  },
  {
    name: 'IPv4 header of 4 words',
    error: 'PACKET_IPV4_HEADER_LENGTH',
    bytes: `44 00 00 14 00*4 40 06 00 00 ${SRC_DST}`,
    known: { family: 0 },
  },
  {
    name: 'IPv4 total length below its header',
    error: 'PACKET_IP_LENGTH_SHORT',
    bytes: `46 00 00 14 00*4 40 06 00 00 ${SRC_DST} 00*4`,
    known: { family: 4, src3: 0x0a000001, protocol: 6, ttl: 64 },
  },
  {
    name: 'IPv4 total length beyond the frame',
    error: 'PACKET_IP_LENGTH_LONG',
    bytes: `45 00 00 40 00*4 40 11 00 00 ${SRC_DST} 00 01 00 02 00 2c 00 00`,
    known: { sport: 1, dport: 2, ipLength: 64, payloadLength: 36, truncated: false },
  },
  {
    name: 'a frame too short for the IPv4 header it announces',
    error: 'PACKET_IP_LENGTH_LONG',
    link: 'ethernet',
    bytes: '02*12 08 00 45 00 00 14',
    known: { family: 0, hasMac: true, truncated: false },
  },
  {
    name: 'IPv6 payload length beyond the frame',
    error: 'PACKET_IP_LENGTH_LONG',
    bytes: `60 00 00 00 00 20 11 40 ${V6_SRC_DST} 00 01 00 02 00 08 00 00`,
    known: { sport: 1, dport: 2 },
  },
  {
    name: 'IPv6 extension header longer than the packet',
    error: 'PACKET_IPV6_EXTENSION_SHORT',
    bytes: `60 00 00 00 00 08 00 40 ${V6_SRC_DST} 06 01 00*6`,
    known: { family: 6, protocol: -1, truncated: false },
  },
  {
    name: 'payload length 0 with hop-by-hop options but no jumbo length',
    error: 'PACKET_IP_LENGTH_SHORT',
    bytes: `60 00 00 00 00 00 00 40 ${V6_SRC_DST} 06 00 01 04 00*4 00*20`,
    known: { family: 6, sport: -1 },
  },
  {
    name: 'jumbo length that would have fitted in the header',
    error: 'PACKET_IP_LENGTH_SHORT',
    bytes: `60 00 00 00 00 00 00 40 ${V6_SRC_DST} 06 00 c2 04 00 00 ff ff 00*20`,
    known: { family: 6, sport: -1, ipLength: 0, payloadLength: 0 },
  },
  {
    name: 'TCP header of 4 words',
    error: 'PACKET_TCP_OFFSET',
    bytes: `45 00 00 28 00*4 40 06 00 00 ${SRC_DST} 00 01 00 02 00*8 40 02 00 00 00*4`,
    known: { sport: 1, dport: 2, tcpFlags: 2 },
  },
  {
    name: 'TCP header longer than the packet',
    error: 'PACKET_TRANSPORT_SHORT',
    bytes: `45 00 00 28 00*4 40 06 00 00 ${SRC_DST} 00 01 00 02 00*8 f0 02 00 00 00*4`,
    known: { sport: 1, dport: 2 },
  },
  {
    name: 'TCP option of length 0',
    error: 'PACKET_TCP_OPTION',
    bytes: `45 00 00 2c 00*4 40 06 00 00 ${SRC_DST} 00 01 00 02 00*8 60 02 00 00 00*4 02 00 05 b4`,
    known: { tcpMss: -1, sport: 1 },
  },
  {
    name: 'TCP option that runs out of the header',
    error: 'PACKET_TCP_OPTION',
    bytes: `45 00 00 2c 00*4 40 06 00 00 ${SRC_DST} 00 01 00 02 00*8 60 02 00 00 00*4 01 02 04 05`,
    known: { tcpMss: -1 },
  },
  {
    name: 'TCP option kind as the last byte of the header',
    error: 'PACKET_TCP_OPTION',
    bytes: `45 00 00 2c 00*4 40 06 00 00 ${SRC_DST} 00 01 00 02 00*8 60 02 00 00 00*4 01 01 01 03`,
    known: { tcpWindowScale: -1 },
  },
  {
    name: 'packet that ends within its TCP header',
    error: 'PACKET_TRANSPORT_SHORT',
    bytes: `45 00 00 1c 00*4 40 06 00 00 ${SRC_DST} 00 01 00 02 00 00 00 09`,
    known: { sport: 1, dport: 2, tcpSeq: 9, tcpFlags: -1, truncated: false },
  },
  {
    name: 'UDP length below its header',
    error: 'PACKET_UDP_LENGTH',
    bytes: `45 00 00 1c 00*4 40 11 00 00 ${SRC_DST} 00 01 00 02 00 07 00 00`,
    known: { sport: 1, dport: 2, payloadLength: 0 },
  },
  {
    name: 'UDP length beyond the packet',
    error: 'PACKET_UDP_LENGTH',
    bytes: `45 00 00 1c 00*4 40 11 00 00 ${SRC_DST} 00 01 00 02 00 09 00 00`,
    known: { sport: 1, dport: 2 },
  },
  {
    name: 'packet that ends within its ICMP header',
    error: 'PACKET_TRANSPORT_SHORT',
    bytes: `45 00 00 18 00*4 40 01 00 00 ${SRC_DST} 08 00 00 00`,
    known: { icmpType: 8, icmpCode: 0, icmpId: -1 },
  },
  {
    name: 'ICMP error that quotes no IP packet',
    error: 'PACKET_EMBEDDED',
    bytes: `45 00 00 30 00*4 40 01 00 00 ${SRC_DST} 03 01 00*6 00*20`,
    known: { icmpType: 3, hasQuoted: false },
  },
  {
    name: 'ICMP error without a quotation',
    error: 'PACKET_EMBEDDED',
    bytes: `45 00 00 1c 00*4 40 01 00 00 ${SRC_DST} 03 04 00 00 00 00 05 00`,
    known: { icmpMtu: 1280, hasQuoted: false },
  },
  {
    name: 'quoted IPv4 header of 4 words',
    error: 'PACKET_EMBEDDED',
    bytes: `45 00 00 30 00*4 40 01 00 00 ${SRC_DST} 0b 00 00*6 44 00*19`,
    known: { hasQuoted: false },
  },
  {
    name: 'ARP for another medium',
    error: 'PACKET_ARP_FORMAT',
    link: 'ethernet',
    bytes: '02*12 08 06 00 20 08 00 14 04 00 01 00*40',
    known: { isArp: true, arpOp: 1, arpSenderIp: 0 },
  },
  {
    name: 'Geneve options longer than the packet',
    error: 'PACKET_TUNNEL_SHORT',
    bytes: `45 00 00 24 00*4 40 11 00 00 ${SRC_DST} 00 01 17 c1 00 10 00 00 01 00 65 58 00*4`,
    known: { depth: 0, dport: 6081 },
  },
  {
    name: 'UDP packet that ends within the VXLAN header',
    error: 'PACKET_TUNNEL_SHORT',
    bytes: `45 00 00 20 00*4 40 11 00 00 ${SRC_DST} 00 01 12 b5 00 0c 00 00 08 00*3`,
    known: { depth: 0, dport: 4789, payloadLength: 4 },
  },
  {
    name: 'VXLAN without a whole Ethernet header',
    error: 'PACKET_TUNNEL_SHORT',
    bytes: `45 00 00 28 00*4 40 11 00 00 ${SRC_DST} 00 01 12 b5 00 14 00 00 08 00*7 02*4`,
    known: { depth: 1, outerDport: 4789, family: 0 },
  },
  {
    name: 'packet that ends within its GRE header',
    error: 'PACKET_TUNNEL_SHORT',
    bytes: `45 00 00 18 00*4 40 2f 00 00 ${SRC_DST} 20 00 08 00`,
    known: { depth: 0, protocol: 47 },
  },
  {
    name: 'inner packet longer than the tunnel packet',
    error: 'PACKET_IP_LENGTH_LONG',
    bytes: `45 00 00 28 00*4 40 04 00 00 ${SRC_DST} 45 00 00 15 00*4 40 01 00 00 ${SRC_DST}`,
    // The 21st byte it claims is nowhere.
    known: { depth: 1, outerLength: 40, ipLength: 21, truncated: true },
  },
];

function run({ bytes, link }: Pick<Case, 'bytes' | 'link'>, wireLength?: number): DecodedPacket {
  const p = new DecodedPacket();
  const raw = hex(bytes);
  const decode = link === 'ethernet' ? decodeEthernet : decodeIp;
  decode(p, viewOf(raw), 0, raw.length, wireLength ?? raw.length);
  return p;
}

describe('malformed packets', () => {
  it.each(CASES)('$name: $error', ({ error, known, ...bytes }) => {
    const p = run(bytes);
    expect(packetErrorName(p.error)).toBe(error);
    expect(p).toMatchObject({ truncated: false, ...known });
  });

  it('covers every error but those of the limits below', () => {
    const seen = new Set(CASES.map(({ error }) => error));
    const missing = Array.from({ length: PACKET_ERROR_COUNT }, (_, i) => packetErrorName(i)).filter(
      (name) => !seen.has(name),
    );
    expect(missing).toEqual([
      'PACKET_OK',
      'PACKET_IPV6_EXTENSIONS',
      'PACKET_NESTING',
      'PACKET_VLAN_TAGS',
    ]);
  });

  it('names an unknown error by its number', () => {
    expect(packetErrorName(99)).toBe('PACKET_99');
  });
});

describe('limits', () => {
  const echo = `45 00 00 1c 00*4 40 01 00 00 ${SRC_DST} 08 00 00 00 00 01 00 02`;

  function ipip(depth: number): string {
    let text = '';
    for (let i = depth; i > 0; i--) {
      const length = (28 + 20 * i).toString(16).padStart(4, '0');
      text += `45 00 ${length} 00*4 40 04 00 00 ${SRC_DST} `;
    }
    return text + echo;
  }

  it(`follows ${MAX_ENCAPSULATIONS} tunnels in one another, and no more`, () => {
    const at = run({ bytes: ipip(MAX_ENCAPSULATIONS) });
    expect(at).toMatchObject({ error: 0, depth: MAX_ENCAPSULATIONS, icmpSeq: 2, overhead: 20 });
    const past = run({ bytes: ipip(MAX_ENCAPSULATIONS + 1) });
    expect(packetErrorName(past.error)).toBe('PACKET_NESTING');
    expect(past).toMatchObject({ depth: MAX_ENCAPSULATIONS, protocol: 4, icmpSeq: -1, family: 4 });
  });

  function extensions(count: number): string {
    const payload = (count * 8 + 8).toString(16).padStart(4, '0');
    const headers = Array.from({ length: count }, (_, i) =>
      i === count - 1 ? '11 00 00*6' : '3c 00 00*6',
    );
    return `60 00 00 00 ${payload} 3c 40 ${V6_SRC_DST} ${headers.join(' ')} 00 01 00 02 00 08 00 00`;
  }

  it(`follows ${MAX_IPV6_EXTENSIONS} IPv6 extension headers, and no more`, () => {
    expect(run({ bytes: extensions(MAX_IPV6_EXTENSIONS) })).toMatchObject({ error: 0, dport: 2 });
    const past = run({ bytes: extensions(MAX_IPV6_EXTENSIONS + 1) });
    expect(packetErrorName(past.error)).toBe('PACKET_IPV6_EXTENSIONS');
    expect(past).toMatchObject({ family: 6, dport: -1, protocol: -1 });
  });

  it(`follows ${MAX_IPV6_EXTENSIONS} extension headers of a quoted packet, and no more`, () => {
    const quote = (count: number) => {
      const length = hex(extensions(count)).length + 8;
      const payload = length.toString(16).padStart(4, '0');
      return `60 00 00 00 ${payload} 3a 40 ${V6_SRC_DST} 03 00*7 ${extensions(count)}`;
    };
    expect(run({ bytes: quote(MAX_IPV6_EXTENSIONS) })).toMatchObject({
      error: 0,
      quotedProtocol: 17,
      quotedDport: 2,
    });
    const past = run({ bytes: quote(MAX_IPV6_EXTENSIONS + 1) });
    expect(packetErrorName(past.error)).toBe('PACKET_EMBEDDED');
    expect(past).toMatchObject({ hasQuoted: true, quotedProtocol: -1 });
  });

  function tags(count: number): string {
    return `02*12 ${'81 00 00 05 '.repeat(count)} 08 00 ${echo}`;
  }

  it(`follows ${MAX_VLAN_TAGS} VLAN tags, and no more`, () => {
    const at = run({ bytes: tags(MAX_VLAN_TAGS), link: 'ethernet' });
    expect(at).toMatchObject({ error: 0, icmpSeq: 2, vlanId: 5, vlanInnerId: 5 });
    const past = run({ bytes: tags(MAX_VLAN_TAGS + 1), link: 'ethernet' });
    expect(packetErrorName(past.error)).toBe('PACKET_VLAN_TAGS');
    expect(past).toMatchObject({ family: 0, vlanId: 5, etherType: -1 });
  });

  it('counts the tags inside a tunnel by the same limit', () => {
    const inner = hex(tags(MAX_VLAN_TAGS + 1)).length;
    const udp = (inner + 16).toString(16).padStart(4, '0');
    const ip = (inner + 36).toString(16).padStart(4, '0');
    const past = run({
      bytes: `45 00 ${ip} 00*4 40 11 00 00 ${SRC_DST} 00 01 12 b5 ${udp} 00 00 08 00*7 ${tags(MAX_VLAN_TAGS + 1)}`,
    });
    expect(packetErrorName(past.error)).toBe('PACKET_VLAN_TAGS');
    expect(past).toMatchObject({ depth: 1, hasInnerMac: true, vlanId: -1 });
  });
});
