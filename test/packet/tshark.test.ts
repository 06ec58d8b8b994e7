import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeEthernet, decodeIp } from '../../src/packet/decode.js';
import { DecodedPacket, OUTER_WIREGUARD } from '../../src/packet/decoded-packet.js';
import { packetErrorName } from '../../src/packet/packet-error.js';
import { FIXTURES } from './fixtures.js';
import { viewOf } from './hex.js';
import { hasPacketText, PACKET_TEXT } from './packet-text.js';

/** Every occurrence of a field in a packet, outermost layer first. */
type Verdict = Readonly<Record<string, readonly string[]>>;

function judged(file: string): URL {
  return new URL(`judged/${file}`, import.meta.url);
}

function verdicts(name: string): readonly Verdict[] {
  return JSON.parse(readFileSync(judged(`${name}.tshark.json`), 'utf8')) as Verdict[];
}

interface Packet {
  readonly link: 'ethernet' | 'ip';
  readonly bytes: Uint8Array;
  readonly wireLength: number;
}

function readPcap(file: URL): Packet[] {
  const bytes = new Uint8Array(readFileSync(file));
  const view = viewOf(bytes);
  const packets: Packet[] = [];
  for (let at = 24; at < bytes.length; ) {
    const length = view.getUint32(at + 8, true);
    const wireLength = view.getUint32(at + 12, true);
    packets.push({ link: 'ethernet', bytes: bytes.slice(at + 16, at + 16 + length), wireLength });
    at += 16 + length;
  }
  return packets;
}

/** The last but `back` occurrence as a number, or -1. */
function number(verdict: Verdict, field: string, back = 0): number {
  const text = verdict[field]?.at(-1 - back);
  if (text === undefined) return -1;
  if (text === 'True') return 1;
  if (text === 'False') return 0;
  return Number(text);
}

/** What tshark says of the innermost packet and the one around it, in the decoder's terms. */
function expected(verdict: Verdict, p: DecodedPacket): Record<string, unknown> {
  const quoted4 = p.quotedFamily === 4 ? 1 : 0;
  const quoted6 = p.quotedFamily === 6 ? 1 : 0;
  const inner = p.family === 4 ? quoted4 : quoted6;
  const prefix = p.family === 4 ? 'ip' : 'ipv6';
  const result: Record<string, unknown> = {};
  if (p.family !== 0) {
    result['src'] = verdict[`${prefix}.src`]?.at(-1 - inner);
    result['dst'] = verdict[`${prefix}.dst`]?.at(-1 - inner);
  }
  if (p.family === 4) {
    result['ttl'] = number(verdict, 'ip.ttl', inner);
    result['ipId'] = number(verdict, 'ip.id', inner);
    result['tos'] = number(verdict, 'ip.dsfield', inner);
    result['dontFragment'] = number(verdict, 'ip.flags.df', inner) === 1;
    result['moreFragments'] = number(verdict, 'ip.flags.mf', inner) === 1;
    result['fragmentOffset'] = number(verdict, 'ip.frag_offset', inner) * 8;
  }
  if (p.family === 6) {
    result['ttl'] = number(verdict, 'ipv6.hlim', inner);
    // Of two fragment headers the first counts.
    const offset = verdict['ipv6.fraghdr.offset']?.[0] ?? '0';
    if (!p.hasQuoted) result['fragmentOffset'] = Number(offset) * 8;
    if (p.ipId >= 0) result['ipId'] = Number(verdict['ipv6.fraghdr.ident']?.[0]);
  }
  // Quoted transport headers come after the message's own, which is ICMP.
  if (p.tcpFlags >= 0) {
    result['sport'] = number(verdict, 'tcp.srcport');
    result['dport'] = number(verdict, 'tcp.dstport');
    result['tcpFlags'] = number(verdict, 'tcp.flags') & 0xff;
    result['tcpSeq'] = number(verdict, 'tcp.seq_raw');
    result['tcpAck'] = number(verdict, 'tcp.ack_raw');
    result['tcpWindow'] = number(verdict, 'tcp.window_size_value');
    result['payloadLength'] = number(verdict, 'tcp.len');
    result['tcpMss'] = number(verdict, 'tcp.options.mss_val');
    result['tcpWindowScale'] = number(verdict, 'tcp.options.wscale.shift');
  } else if (p.protocol === 17 && p.transportOffset >= 0) {
    result['sport'] = number(verdict, 'udp.srcport');
    result['dport'] = number(verdict, 'udp.dstport');
    if (!p.moreFragments) result['payloadLength'] = number(verdict, 'udp.length') - 8;
  } else if (p.protocol === 132) {
    result['sport'] = number(verdict, 'sctp.srcport');
    result['dport'] = number(verdict, 'sctp.dstport');
  }
  if (p.protocol === 1 && p.transportOffset >= 0) {
    const quoted = p.quotedProtocol === 1 ? 1 : 0;
    result['icmpType'] = number(verdict, 'icmp.type', quoted);
    result['icmpCode'] = number(verdict, 'icmp.code', quoted);
    result[quoted === 1 ? 'quotedIcmpId' : 'icmpId'] = number(verdict, 'icmp.ident');
    result[quoted === 1 ? 'quotedIcmpSeq' : 'icmpSeq'] = number(verdict, 'icmp.seq');
    result['icmpMtu'] = number(verdict, 'icmp.mtu');
  }
  if (p.protocol === 58 && p.transportOffset >= 0) {
    const quoted = p.quotedProtocol === 58 ? 1 : 0;
    result['icmpType'] = number(verdict, 'icmpv6.type', quoted);
    result['icmpCode'] = number(verdict, 'icmpv6.code', quoted);
    result[quoted === 1 ? 'quotedIcmpId' : 'icmpId'] = number(verdict, 'icmpv6.echo.identifier');
    result[quoted === 1 ? 'quotedIcmpSeq' : 'icmpSeq'] = number(
      verdict,
      'icmpv6.echo.sequence_number',
    );
    result['icmpMtu'] = number(verdict, 'icmpv6.mtu');
  }
  if (p.hasQuoted) {
    const quoted = p.quotedFamily === 4 ? 'ip' : 'ipv6';
    result['quotedSrc'] = verdict[`${quoted}.src`]?.at(-1);
    result['quotedDst'] = verdict[`${quoted}.dst`]?.at(-1);
    if (p.quotedProtocol === 6) {
      result['quotedSport'] = number(verdict, 'tcp.srcport');
      result['quotedDport'] = number(verdict, 'tcp.dstport');
      // Of a quotation of 8 bytes tshark reads the ports only.
      const sequence = number(verdict, 'tcp.seq_raw');
      if (sequence >= 0) result['quotedTcpSeq'] = sequence;
    }
    if (p.quotedProtocol === 17) {
      result['quotedSport'] = number(verdict, 'udp.srcport');
      result['quotedDport'] = number(verdict, 'udp.dstport');
    }
  }
  if (p.isArp) {
    result['arpOp'] = number(verdict, 'arp.opcode');
    result['arpSenderMac'] = verdict['arp.src.hw_mac']?.[0];
    result['arpSenderIp'] = verdict['arp.src.proto_ipv4']?.[0];
    result['arpTargetMac'] = verdict['arp.dst.hw_mac']?.[0];
    result['arpTargetIp'] = verdict['arp.dst.proto_ipv4']?.[0];
  }
  if (p.hasMac) {
    result['macSrc'] = verdict['eth.src']?.[0];
    result['macDst'] = verdict['eth.dst']?.[0];
  }
  if (p.hasInnerMac) {
    result['innerMacSrc'] = verdict['eth.src']?.at(-1);
    result['innerMacDst'] = verdict['eth.dst']?.at(-1);
  }
  const tags = [...(verdict['ieee8021ad.id'] ?? []), ...(verdict['vlan.id'] ?? [])].map(Number);
  if (p.hasMac && !p.hasInnerMac) {
    result['vlanId'] = tags[0] ?? -1;
    result['vlanInnerId'] = tags[1] ?? -1;
  }
  const vni = number(verdict, 'vxlan.vni');
  if (p.outerType === 2) result['vni'] = vni;
  if (p.outerType === 4) result['vni'] = number(verdict, 'geneve.vni');
  result['greKey'] = number(verdict, 'gre.key');
  if (p.outerType === OUTER_WIREGUARD) {
    result['wireguardReceiver'] = number(verdict, 'wg.receiver');
    result['wireguardCounter'] = number(verdict, 'wg.counter');
  } else if (p.depth > 0) {
    const same = p.family === p.outerFamily ? inner + 1 : 0;
    const outer = p.outerFamily === 4 ? 'ip' : 'ipv6';
    result['outerSrc'] = verdict[`${outer}.src`]?.at(-1 - same);
    result['outerDst'] = verdict[`${outer}.dst`]?.at(-1 - same);
    result['outerTtl'] = number(verdict, outer === 'ip' ? 'ip.ttl' : 'ipv6.hlim', same);
    if (p.outerDport >= 0) {
      const innerUdp = p.protocol === 17 && p.transportOffset >= 0 ? 1 : 0;
      const quotedUdp = p.quotedProtocol === 17 ? 1 : 0;
      result['outerSport'] = number(verdict, 'udp.srcport', innerUdp + quotedUdp);
      result['outerDport'] = number(verdict, 'udp.dstport', innerUdp + quotedUdp);
    }
  }
  return result;
}

/** The same of the decoder. */
function decoded(p: DecodedPacket, fields: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    fields.map((name) => [
      name,
      hasPacketText(name) ? PACKET_TEXT[name](p) : p[name as keyof DecodedPacket],
    ]),
  );
}

/** The protocols that were reached, by tshark's names of its layers. */
const LAYERS: readonly (readonly [string, (p: DecodedPacket) => boolean])[] = [
  ['tcp', (p) => p.tcpFlags >= 0],
  ['icmp', (p) => p.protocol === 1 && p.icmpType >= 0],
  ['icmpv6', (p) => p.protocol === 58 && p.icmpType >= 0],
  ['arp', (p) => p.isArp],
  ['vxlan', (p) => p.outerType === 2],
  ['geneve', (p) => p.outerType === 4],
];

function check(name: string, packets: readonly Packet[]): readonly DecodedPacket[] {
  const list = verdicts(name);
  expect(list).toHaveLength(packets.length);
  return packets.map(({ link, bytes, wireLength }, index) => {
    const verdict = list[index] as Verdict;
    const p = new DecodedPacket();
    const decode = link === 'ethernet' ? decodeEthernet : decodeIp;
    decode(p, viewOf(bytes), 0, bytes.length, wireLength);
    const about = `${name} ${index + 1}: ${verdict['frame.protocols']?.[0]}`;
    expect(packetErrorName(p.error), about).toBe('PACKET_OK');
    const want = expected(verdict, p);
    expect(decoded(p, Object.keys(want)), about).toEqual(want);
    if (p.depth === 1 && p.outerType !== OUTER_WIREGUARD && !p.hasQuoted) {
      const layers = (verdict['frame.protocols']?.[0] ?? '').split(':');
      for (const [layer, reached] of LAYERS) {
        expect(reached(p), `${about}: ${layer}`).toBe(layers.includes(layer));
      }
    }
    return p;
  });
}

describe('tshark agrees', () => {
  it('on packets of a real kernel', () => {
    const packets = check('real', readPcap(judged('real.pcap')));
    const has = (what: (p: DecodedPacket) => boolean) => packets.some(what);
    // The capture holds what it was made for.
    expect(has((p) => p.isArp)).toBe(true);
    expect(has((p) => p.outerType === 2 && p.tcpMss > 0)).toBe(true);
    expect(has((p) => p.outerType === 2 && p.family === 6 && p.icmpType === 129)).toBe(true);
    expect(has((p) => p.family === 4 && p.fragmentOffset > 0)).toBe(true);
    expect(has((p) => p.family === 6 && p.fragmentOffset > 0)).toBe(true);
    expect(has((p) => p.icmpMtu === 1400 && p.quotedFamily === 4)).toBe(true);
    expect(has((p) => p.icmpMtu === 1400 && p.quotedFamily === 6)).toBe(true);
    expect(has((p) => p.icmpType === 11 && p.quotedIcmpType === 8)).toBe(true);
    expect(has((p) => p.icmpType === 3 && p.quotedDport === 9)).toBe(true);
    expect(has((p) => p.icmpType === 1 && p.family === 6 && p.quotedDport === 9)).toBe(true);
    expect(has((p) => p.payloadLength > 176)).toBe(true);
  });

  it.each(['ethernet', 'ip'] as const)('on the fixtures that begin with %s', async (link) => {
    const packets = FIXTURES.filter((fixture) => fixture.link === link).map(
      ({ bytes, wireLength }) => ({ link, bytes, wireLength: wireLength ?? bytes.length }),
    );
    const text = packets
      .map(({ bytes, wireLength }) => `${wireLength} ${Buffer.from(bytes).toString('hex')}\n`)
      .join('');
    // When a fixture changes, tshark is to be asked again: see judged/judge.mjs.
    await expect(text).toMatchFileSnapshot(judged(`fixtures-${link}.txt`).pathname);
    check(`fixtures-${link}`, packets);
  });
});
