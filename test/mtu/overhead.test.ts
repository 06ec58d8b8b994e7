import { expect, it } from 'vitest';
import { overheadOf } from '../../src/mtu/overhead.js';
import type { Tunnel } from '../../src/network/description.js';
import { tunnel } from './described.js';

/** Kind, what is set, bytes over IPv4, bytes over IPv6; null where it does not go over that. */
const TABLE: readonly (readonly [string, Partial<Tunnel>, number | null, number | null])[] = [
  ['ipip', {}, 20, null],
  ['sit', {}, 20, null],
  ['ip6tnl', {}, null, 40],
  ['ip6tnl', { encapsulationLimit: 4 }, null, 48],
  ['ipip', { within: 'fou' }, 28, null],
  ['ipip', { within: 'gue' }, 32, null],
  ['gre', {}, 24, null],
  ['gre', { hasKey: true }, 28, null],
  ['gre', { hasKey: true, hasChecksum: true, hasSequence: true }, 36, null],
  ['gretap', { hasEthernet: true }, 38, null],
  ['ip6gre', {}, null, 44],
  ['vxlan', { hasEthernet: true }, 50, 70],
  // Generic protocol extension, without an Ethernet header.
  ['vxlan', {}, 36, 56],
  ['geneve', { hasEthernet: true }, 50, 70],
  ['wireguard', {}, 60, 80],
];

it.each(TABLE)('%s %o: %s over IPv4, %s over IPv6', (kind, set, over4, over6) => {
  const made = tunnel(kind, set);
  if (over4 !== null) expect(overheadOf(made, 4)).toBe(over4);
  if (over6 !== null) expect(overheadOf(made, 6)).toBe(over6);
});

it('is not known of options that come with each packet, nor of other kinds', () => {
  expect(overheadOf(tunnel('geneve', { isExternal: true, hasEthernet: true }), 4)).toBe(null);
  expect(overheadOf(tunnel('xfrm'), 4)).toBe(null);
});
