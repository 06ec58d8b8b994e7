import { describe, expect, it } from 'vitest';
import { decodeEthernet, decodeIp, decodeNetwork } from '../../src/packet/decode.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';
import { FIXTURES, type Fixture, fixture } from './fixtures.js';
import { hex, viewOf } from './hex.js';
import { PACKET_TEXT } from './packet-text.js';
import { summary } from './summary.js';

function decode(p: DecodedPacket, { link, bytes, wireLength }: Fixture, length = bytes.length) {
  const run = link === 'ethernet' ? decodeEthernet : decodeIp;
  run(p, viewOf(bytes), 0, length, wireLength ?? bytes.length);
}

describe('decode', () => {
  it.each(FIXTURES)('$name', (fixture) => {
    const p = new DecodedPacket();
    decode(p, fixture);
    expect(summary(p)).toEqual(fixture.expected);
  });

  it('leaves nothing of one packet in the next, in any order', () => {
    const p = new DecodedPacket();
    for (const before of FIXTURES) {
      for (const after of FIXTURES) {
        decode(p, before);
        decode(p, after);
        expect(summary(p), `${after.name} after ${before.name}`).toEqual(after.expected);
      }
    }
  });

  it('reads from the offset it is given, and nothing else', () => {
    const p = new DecodedPacket();
    for (const { link, bytes, wireLength, expected, name } of FIXTURES) {
      const padded = new Uint8Array(bytes.length + 46).fill(0xff);
      padded.set(bytes, 23);
      const run = link === 'ethernet' ? decodeEthernet : decodeIp;
      run(p, viewOf(padded), 23, bytes.length, wireLength ?? bytes.length);
      const shifted = { ...expected };
      for (const field of ['innerOffset', 'outerOffset', 'transportOffset']) {
        const value = shifted[field];
        if (typeof value === 'number') shifted[field] = value + 23;
      }
      expect(summary(p), name).toEqual(shifted);
    }
  });

  it('does without the length of the frame, except for a GSO packet', () => {
    const p = new DecodedPacket();
    for (const { link, bytes, expected, name } of FIXTURES) {
      if (name.startsWith('IPv4 GSO packet')) continue;
      const run = link === 'ethernet' ? decodeEthernet : decodeIp;
      run(p, viewOf(bytes), 0, bytes.length);
      expect(summary(p), name).toEqual(expected);
    }
    const { bytes } = fixture('IPv4 GSO packet beyond 64 KiB: length 0, taken from the frame');
    decodeIp(p, viewOf(bytes), 0, bytes.length);
    expect(p.error).not.toBe(0);
    expect(PACKET_TEXT.src(p)).toBe('10.244.153.204');
  });

  it('clamps a length beyond the view', () => {
    const p = new DecodedPacket();
    const { bytes, expected } = fixture('ICMP echo request on a veth, 98 bytes');
    decodeEthernet(p, viewOf(bytes), 0, 5000, bytes.length);
    expect(summary(p)).toEqual(expected);
    decodeEthernet(p, viewOf(bytes.slice(0, 40)), 0, 5000, bytes.length);
    expect(p.truncated).toBe(true);
  });

  it('starts at a network header by its EtherType', () => {
    const p = new DecodedPacket();
    const arp = fixture('ARP request for the pod gateway').bytes.slice(14);
    decodeNetwork(p, viewOf(arp), 0, arp.length, 0x0806);
    expect(p.isArp).toBe(true);
    expect(PACKET_TEXT.arpTargetIp(p)).toBe('169.254.1.1');
    const echo = fixture('ICMP echo request on a veth, 98 bytes').bytes.slice(14);
    decodeNetwork(p, viewOf(echo), 0, echo.length, 0x0800);
    expect(p.icmpSeq).toBe(1);
    expect(p.isArp).toBe(false);
    decodeNetwork(p, viewOf(echo), 0, echo.length, 0x86dd);
    expect(p.family).toBe(0);
    expect(p.error).not.toBe(0);
    decodeNetwork(p, viewOf(echo), 0, echo.length, 0x88cc);
    expect(summary(p)).toEqual({});
  });

  it('copes with no bytes at all', () => {
    const p = new DecodedPacket();
    decodeEthernet(p, viewOf(hex('')), 0, 0);
    expect(summary(p)).toEqual({ truncated: true });
    decodeIp(p, viewOf(hex('')), 0, 0);
    expect(summary(p)).toEqual({ truncated: true });
  });
});
