import { describe, expect, it } from 'vitest';
import { decodeEthernet, decodeIp } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { FIXTURES, fixture } from './fixtures.js';
import { viewOf } from './hex.js';
import { disagreement } from './truncation.js';

describe('truncated packets', () => {
  it.each(FIXTURES)('$name, cut at every byte, never says anything else', (fixture) => {
    const { link, bytes, wireLength } = fixture;
    const decode = link === 'ethernet' ? decodeEthernet : decodeIp;
    const whole = new DecodedPacket();
    const wholeAlone = new DecodedPacket();
    const cut = new DecodedPacket();
    decode(whole, viewOf(bytes), 0, bytes.length, wireLength ?? bytes.length);
    decode(wholeAlone, viewOf(bytes), 0, bytes.length);
    for (let length = 0; length < bytes.length; length++) {
      // Bytes after the cut are there, to be wrong about if they were read.
      const damaged = bytes.slice();
      damaged.fill(0xa5, length);
      decode(cut, viewOf(damaged), 0, length, wireLength ?? bytes.length);
      expect(disagreement(cut, whole), `cut at ${length}`).toBeNull();
      decode(cut, viewOf(bytes.slice(0, length)), 0, length);
      expect(disagreement(cut, wholeAlone), `cut at ${length}, frame length unknown`).toBeNull();
    }
  });

  it('keeps what stands before the cut', () => {
    const { bytes } = fixture('VXLAN on the wire, 148 bytes');
    const p = new DecodedPacket();
    const at = (length: number) => decodeEthernet(p, viewOf(bytes), 0, length, bytes.length);

    at(13);
    expect(p).toMatchObject({ truncated: true, hasMac: false });
    at(14);
    expect(p).toMatchObject({ truncated: true, hasMac: true, etherType: 0x0800, family: 0 });
    at(34);
    expect(p).toMatchObject({ truncated: true, family: 4, protocol: 17, sport: -1, depth: 0 });
    at(38);
    expect(p).toMatchObject({ truncated: true, sport: 45281, dport: 4789 });
    at(49);
    expect(p).toMatchObject({ truncated: true, depth: 0, vni: -1, payloadLength: 106 });
    at(50);
    expect(p).toMatchObject({
      truncated: true,
      depth: 1,
      vni: 4096,
      hasInnerMac: false,
      family: 0,
    });
    at(64);
    expect(p).toMatchObject({ truncated: true, hasInnerMac: true, overhead: 50, family: 0 });
    at(84);
    expect(p).toMatchObject({ truncated: true, family: 4, protocol: 1, icmpType: -1 });
    at(92);
    expect(p).toMatchObject({ truncated: false, icmpSeq: 1, payloadLength: 56 });
  });

  it('knows a cut in a quote that ends before 8 bytes of its transport header', () => {
    const quoted = [0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    const ports = [0x96, 0xd2, 0x00, 0x35, 0x00, 0x28];
    const icmp = [3, 1, 0, 0, 0, 0, 0, 0, ...quoted, ...ports];
    const total = 20 + icmp.length;
    const bytes = Uint8Array.from([
      ...[0x45, 0, 0, total, 0, 2, 0, 0, 64, 1, 0, 0, 10, 0, 0, 3, 10, 0, 0, 1],
      ...icmp,
    ]);
    const p = new DecodedPacket();
    decodeIp(p, viewOf(bytes), 0, total, total);
    expect(p).toMatchObject({ truncated: false, quotedSport: 38610, quotedDport: 53 });
    decodeIp(p, viewOf(bytes), 0, total - 4, total);
    expect(p).toMatchObject({ truncated: true, quotedSport: -1 });
  });

  it('reads as much of a TCP header as is whole', () => {
    const { bytes } = fixture('TCP SYN with MSS and window scale');
    const p = new DecodedPacket();
    const at = (length: number) => decodeEthernet(p, viewOf(bytes), 0, length, bytes.length);
    at(37);
    expect(p).toMatchObject({ truncated: true, sport: -1, dport: -1 });
    at(38);
    expect(p).toMatchObject({ truncated: true, sport: 38610, dport: 8080, tcpSeq: 0 });
    at(42);
    expect(p).toMatchObject({ truncated: true, tcpSeq: 0xfffffff0, tcpFlags: -1 });
    at(48);
    expect(p).toMatchObject({ truncated: true, tcpFlags: 2, tcpWindow: -1 });
    at(54);
    expect(p).toMatchObject({ truncated: true, tcpWindow: 65160, tcpMss: -1 });
    at(58);
    expect(p).toMatchObject({ truncated: true, tcpMss: 1440, tcpWindowScale: -1 });
    at(74);
    expect(p).toMatchObject({ truncated: false, tcpMss: 1440, tcpWindowScale: 7 });
  });
});
