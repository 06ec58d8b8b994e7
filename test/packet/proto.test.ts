import { describe, expect, it } from 'vitest';
import { ENCAPSULATION_NAMES, encapsulationName } from '../../src/packet/encapsulation.js';
import { protocolName } from '../../src/packet/proto.js';
import { tcpFlagsText } from '../../src/packet/tcp.js';

describe('names', () => {
  it('names the protocols records know, and numbers the rest', () => {
    expect([1, 6, 17, 47, 50, 58, 132].map(protocolName)).toEqual([
      'icmp',
      'tcp',
      'udp',
      'gre',
      'esp',
      'icmpv6',
      'sctp',
    ]);
    expect(protocolName(89)).toBe('ip-89');
    expect(protocolName(-1)).toBe('ip--1');
    const all = Array.from({ length: 256 }, (_, number) => protocolName(number));
    expect(new Set(all).size).toBe(256);
  });

  it('names every encapsulation once', () => {
    const names = [...ENCAPSULATION_NAMES.keys()].map(encapsulationName);
    expect(names).toEqual(['ipip', 'vxlan', 'gre', 'geneve', 'ip6tnl', 'sit', 'wireguard']);
    expect(() => encapsulationName(0)).toThrow(RangeError);
    expect(() => encapsulationName(8)).toThrow(RangeError);
  });

  it.each([
    [0x02, 'S'],
    [0x12, 'S.'],
    [0x10, '.'],
    [0x18, 'P.'],
    [0x11, 'F.'],
    [0x04, 'R'],
    [0x14, 'R.'],
    [0xc2, 'SEW'],
    [0x31, 'F.U'],
    [0x00, 'none'],
  ])('writes the flags %i as %s', (flags, text) => {
    expect(tcpFlagsText(flags)).toBe(text);
  });
});
