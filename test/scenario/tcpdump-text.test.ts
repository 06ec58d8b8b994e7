import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { addressBytes } from '../fixtures/address-bytes.js';
import { ByteWriter } from '../fixtures/byte-writer.js';
import {
  arpBytes,
  linkBytes,
  type PacketDescription,
  packetBytes,
  tunnelBytes,
} from '../fixtures/packet-bytes.js';
import { TCPDUMP_READ } from './capture.js';
import type { Frame } from './frame.js';
import { readTcpdump } from './tcpdump-text.js';

/*
 * The judge must be right before it judges: tcpdump prints frames made by hand, and
 * the reader must say of them what they were made from.
 */

const LINK = { src: '52:54:00:dc:c7:b4', dst: '52:54:00:d3:bf:21' };
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;

/** A capture file with nanoseconds (pcap-savefile(5)). */
function pcap(linkType: number, frames: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b23c4d, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(linkType, 20);
  const records = frames.flatMap((frame, index) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(1_700_000_000, 0);
    record.writeUInt32LE(123_456_789 + index, 4);
    record.writeUInt32LE(frame.byteLength, 8);
    record.writeUInt32LE(frame.byteLength, 12);
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}

function read(linkType: number, frames: readonly Uint8Array[]) {
  const text = execFileSync('tcpdump', ['-r', '-', ...TCPDUMP_READ], {
    input: pcap(linkType, frames),
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return readTcpdump(text, 'node111/ens10', 'egress');
}

function ethernet(bytes: Uint8Array, etherType = 0x0800): Uint8Array {
  return Buffer.concat([linkBytes(LINK, etherType), bytes]);
}

const ENDS = { src: '10.244.153.204', dst: '10.244.146.205' };
const ECHO: PacketDescription = {
  ...ENDS,
  proto: 'icmp',
  ttl: 63,
  id: 4711,
  icmpId: 56616,
  icmpSeq: 7,
  payload: 56,
};
const PLAIN: Frame = {
  place: 'node111/ens10',
  stage: 'egress',
  len: 98,
  mac: LINK,
  outer: null,
  proto: 'icmp',
  ...ENDS,
  sport: null,
  dport: null,
  ttl: 63,
  ipId: 4711,
  fragmentOffset: null,
  icmp: { type: 8, id: 56616, seq: 7, mtu: null },
  tcp: null,
};

describe('what tcpdump prints is read back', () => {
  it('of an echo', () => {
    expect(read(LINKTYPE_ETHERNET, [ethernet(packetBytes(ECHO))])).toEqual([
      { time: 1_700_000_000_123_456_789n, ipBytes: 84, frame: PLAIN },
    ]);
  });

  it('of an echo on a device without link header', () => {
    expect(read(LINKTYPE_RAW, [packetBytes(ECHO)])).toMatchObject([
      { ipBytes: 84, frame: { ...PLAIN, len: 84, mac: null } },
    ]);
  });

  it.each([
    ['ipip', 118, 20, { sport: null, dport: null, vni: null }],
    ['vxlan', 148, 50, { sport: 46444, dport: 4789, vni: 4096 }],
  ] as const)('of an echo in %s', (type, len, overhead, rest) => {
    const nodes = { src: '192.168.100.111', dst: '192.168.100.112' };
    const tunnel = tunnelBytes({ type, ...nodes, sport: 46444, vni: 4096 }, packetBytes(ECHO));
    expect(read(LINKTYPE_ETHERNET, [ethernet(tunnel)])).toMatchObject([
      { ipBytes: 84, frame: { ...PLAIN, len, outer: { type, ...nodes, overhead, ...rest } } },
    ]);
  });

  it('of TCP: a SYN, a segment with HTTP in it, an acknowledgement', () => {
    const tcp = { ...ENDS, proto: 'tcp', sport: 40001, dport: 80 } as const;
    const frames = [
      packetBytes({ ...tcp, flags: 'S', seq: 4_294_967_290, mss: 1410, windowScale: 10 }),
      packetBytes({ ...tcp, flags: 'P.', seq: 4_294_967_291, ack: 99, payload: 21 }),
      packetBytes({ ...tcp, flags: '.', seq: 16, ack: 120 }),
    ];
    const none = { mss: null, windowScale: null };
    const said = read(
      LINKTYPE_ETHERNET,
      frames.map((frame) => ethernet(frame)),
    );
    expect(said.map(({ frame }) => frame.tcp)).toEqual([
      { flags: 'S', seq: 4_294_967_290, ack: 0, payload: 0, mss: 1410, windowScale: 10 },
      { flags: 'P.', seq: 4_294_967_291, ack: 99, payload: 21, ...none },
      { flags: '.', seq: null, ack: 120, payload: 0, ...none },
    ]);
    for (const { frame } of said) expect(frame).toMatchObject({ sport: 40001, dport: 80 });
  });

  it('of UDP', () => {
    const udp = packetBytes({ ...ENDS, proto: 'udp', sport: 40002, dport: 5353, payload: 20 });
    expect(read(LINKTYPE_ETHERNET, [ethernet(udp)])).toMatchObject([
      { ipBytes: 48, frame: { proto: 'udp', sport: 40002, dport: 5353, len: 62 } },
    ]);
  });

  it('of an echo over IPv6, plain and in VXLAN over IPv6', () => {
    const ends = { src: 'fd00:10:244:99c0::c', dst: 'fd00:10:244:92c0::d' };
    const nodes = { src: 'fd00::111', dst: 'fd00::112' };
    const echo = packetBytes({ ...ECHO, ...ends, proto: 'icmpv6' });
    const tunnel = tunnelBytes({ type: 'vxlan', ...nodes, sport: 46444, vni: 4096 }, echo);
    const plain: Frame = {
      ...PLAIN,
      ...ends,
      len: 118,
      proto: 'icmpv6',
      ipId: null,
      icmp: { type: 128, id: 56616, seq: 7, mtu: null },
    };
    const outer = {
      type: 'vxlan',
      ...nodes,
      sport: 46444,
      dport: 4789,
      vni: 4096,
      overhead: 70,
    };
    expect(
      read(
        LINKTYPE_ETHERNET,
        [echo, tunnel].map((packet) => ethernet(packet, 0x86dd)),
      ).map(({ ipBytes, frame }) => ({ ipBytes, frame })),
    ).toEqual([
      { ipBytes: 104, frame: plain },
      { ipBytes: 104, frame: { ...plain, len: 188, outer } },
    ]);
  });

  it('of TCP over IPv6', () => {
    const tcp = { src: 'fd00::1', dst: 'fd00::2', proto: 'tcp', sport: 40001, dport: 80 } as const;
    const packet = packetBytes({ ...tcp, flags: 'P.', seq: 7, ack: 99, payload: 21 });
    expect(read(LINKTYPE_ETHERNET, [ethernet(packet, 0x86dd)])).toMatchObject([
      {
        ipBytes: 81,
        frame: { ...tcp, ipId: null, tcp: { flags: 'P.', seq: 7, ack: 99, payload: 21 } },
      },
    ]);
  });

  it.each([
    ['icmp', ENDS, 0x0800, 'icmp'],
    ['icmpv6', { src: 'fd00::1', dst: 'fd00::2' }, 0x86dd, null],
  ] as const)('of the fragments of an %s echo', (proto, ends, etherType, ofLater) => {
    const echo = { ...ECHO, ...ends, proto, id: 0x4711 };
    const fragments = [
      packetBytes({ ...echo, moreFragments: true, payload: 1416 }),
      packetBytes({ ...echo, fragmentOffset: 1424, payload: 56 }),
    ];
    const said = read(
      LINKTYPE_ETHERNET,
      fragments.map((fragment) => ethernet(fragment, etherType)),
    );
    expect(said.map(({ frame }) => frame)).toMatchObject([
      { proto, ...ends, ipId: 0x4711, fragmentOffset: 0, icmp: { id: 56616, seq: 7 } },
      { proto: ofLater, ...ends, ipId: 0x4711, fragmentOffset: 1424, icmp: null },
    ]);
  });

  it.each([
    ['icmp', ENDS, 0x0800, { icmpType: 3, icmpCode: 4 }],
    ['icmpv6', { src: 'fd00::1', dst: 'fd00::2' }, 0x86dd, { icmpType: 2 }],
  ] as const)('of an %s error that has the MTU', (proto, ends, etherType, type) => {
    const about = { ...ECHO, ...ends, proto, payload: 100 };
    const error = packetBytes({ ...ends, proto, ...type, icmpMtu: 1450, quoted: about });
    const icmp = { type: type.icmpType, id: null, seq: null, mtu: 1450 };
    expect(read(LINKTYPE_ETHERNET, [ethernet(error, etherType)])).toMatchObject([
      { frame: { proto, ...ends, fragmentOffset: null, icmp } },
    ]);
  });

  it('of a question for a neighbour', () => {
    const ends = { src: 'fd00::1', dst: 'ff02::1:ff00:2' };
    // After the four reserved bytes the address that is asked for.
    const packet = packetBytes({ ...ends, proto: 'icmpv6', ttl: 255, icmpType: 135, payload: 16 });
    expect(read(LINKTYPE_ETHERNET, [ethernet(packet, 0x86dd)])).toMatchObject([
      { frame: { proto: 'icmpv6', ...ends, ttl: 255, icmp: { type: 135, id: null } } },
    ]);
  });

  it('of a listener to a group, which has a header before ICMPv6', () => {
    const packet = new ByteWriter()
      .be32(0x60000000)
      .be16(36) // payload
      .u8(0) // hop-by-hop
      .u8(1) // hop limit
      .raw(addressBytes('fe80::1'))
      .raw(addressBytes('ff02::16'))
      .be32(0x3a000502) // ICMPv6 next, 8 bytes, router alert of 2 bytes
      .be32(0x00000100) // MLD; PadN
      .be32(0x8f000000) // report, version 2
      .be32(0x00000001) // one record
      .be32(0x04000000) // to exclude nobody
      .raw(addressBytes('ff02::1:ff00:2'))
      .bytes();
    expect(read(LINKTYPE_ETHERNET, [ethernet(packet, 0x86dd)])).toMatchObject([
      { ipBytes: 76, frame: { proto: 'icmpv6', src: 'fe80::1', icmp: { type: 143 } } },
    ]);
  });

  it('of ARP', () => {
    const arp = { senderMac: LINK.src, senderIp: ENDS.src, targetIp: '169.254.1.1' };
    const request = ethernet(arpBytes({ ...arp, op: 1, targetMac: '00:00:00:00:00:00' }), 0x0806);
    expect(read(LINKTYPE_ETHERNET, [request])).toMatchObject([
      { ipBytes: null, frame: { proto: 'arp', src: ENDS.src, dst: '169.254.1.1', len: 42 } },
    ]);
  });
});

it('refuses what it cannot read, rather than pass it over', () => {
  const sctp = packetBytes({ ...ENDS, proto: 'sctp', sport: 1, dport: 2 });
  expect(() => read(LINKTYPE_ETHERNET, [ethernet(sctp)])).toThrow(/cannot read/);
});
