import { SocketAddress } from 'node:net';
import { describe, expect, it } from 'vitest';
import { addressText, ipv4Text, ipv6Text, macText } from '../../src/packet/address-text.js';
import { fc } from '../fixtures/properties.js';

/** Words of an address in any form, by the system's own parser in URL. */
function words(text: string): [number, number, number, number] {
  const [head = '', tail] = text.split('::');
  const parse = (part: string | undefined) =>
    part ? part.split(':').map((x) => parseInt(x, 16)) : [];
  const front = parse(head);
  const back = parse(tail);
  const groups =
    tail === undefined
      ? front
      : [...front, ...Array(8 - front.length - back.length).fill(0), ...back];
  const word = (i: number) => ((groups[i] as number) * 65536 + (groups[i + 1] as number)) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

describe('address text', () => {
  // The examples of RFC 5952, sections 1 and 4, and the edges of each rule.
  it.each([
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0:0:0:0:0002:0001', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:db8::8:800:200c:417a'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['0:1:0:0:0:0:0:0', '0:1::'],
    ['0:0:1:0:0:1:0:0', '::1:0:0:1:0:0'],
    ['fe80:0:0:0:0:0:0:1', 'fe80::1'],
    ['ff02:0:0:0:0:0:0:0', 'ff02::'],
    ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7:0'],
    ['0:0:3:4:5:6:7:8', '::3:4:5:6:7:8'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
  ])('writes %s as %s', (input, expected) => {
    expect(ipv6Text(...words(input))).toBe(expected);
  });

  it('ends an IPv4-mapped address in dotted form', () => {
    expect(ipv6Text(0, 0, 0xffff, 0x0a0000ff)).toBe('::ffff:10.0.0.255');
    expect(ipv6Text(0, 0, 0xfffe, 0x0a0000ff)).toBe('::fffe:a00:ff');
  });

  it('writes every address as the system does', () => {
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        // glibc writes the deprecated IPv4-compatible form in dots, RFC 5952 does not.
        fc.pre(groups.slice(0, 5).some((value) => value !== 0));
        const text = groups.map((value) => value.toString(16)).join(':');
        const system = new SocketAddress({ address: text, family: 'ipv6', port: 1 }).address;
        const canonical = new URL(`http://[${system}]/`).hostname.slice(1, -1);
        expect(ipv6Text(...words(text))).toBe(canonical);
      }),
    );
  });

  it('writes IPv4 and MAC addresses', () => {
    expect(ipv4Text(0)).toBe('0.0.0.0');
    expect(ipv4Text(0xffffffff)).toBe('255.255.255.255');
    expect(ipv4Text(0xc0a8646f)).toBe('192.168.100.111');
    expect(macText(0x525400, 0xdcc7b4)).toBe('52:54:00:dc:c7:b4');
    expect(macText(0, 0xf)).toBe('00:00:00:00:00:0f');
  });

  it('writes nothing for no family', () => {
    expect(addressText(0, 1, 2, 3, 4)).toBe('');
    expect(addressText(4, 0, 0, 0, 0x7f000001)).toBe('127.0.0.1');
    expect(addressText(6, 0, 0, 0, 1)).toBe('::1');
  });
});
