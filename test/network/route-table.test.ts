import { describe, expect, it } from 'vitest';
import type { Route, Rule } from '../../src/network/description.js';
import { type RouteKey, RouteTable } from '../../src/network/route-table.js';
import { address, prefix, route, rule } from '../mtu/described.js';

const key = (dst: string, more: Partial<RouteKey> = {}): RouteKey => ({
  ...{ dst: address(dst), src: null, mark: 0, incoming: 'lo', outgoing: null },
  ...more,
});

function table(routes: readonly Route[], rules: readonly Rule[] = []) {
  const all = new RouteTable(routes, rules);
  return (dst: string, more: Partial<RouteKey> = {}) =>
    all.find(key(dst, more))?.hop?.ifindex ?? null;
}

describe('without rules', () => {
  it('the longest prefix wins, and the lower priority among equals', () => {
    const find = table([
      route('0.0.0.0/0', 1),
      route('10.0.0.0/8', 2),
      route('10.1.0.0/16', 3, { priority: 100 }),
      route('10.1.0.0/16', 4, { priority: 10 }),
      route('fd00::/8', 5),
    ]);
    expect(
      ['192.0.2.1', '10.9.9.9', '10.1.2.3', 'fd00::1', '2001:db8::1'].map((a) => find(a)),
    ).toEqual([1, 2, 4, 5, null]);
    expect(find('10.1.2.3', { outgoing: 3 })).toBe(3);
    expect(find('10.1.2.3', { outgoing: 1 })).toBe(1);
  });
});

describe('with rules', () => {
  const routes = [
    route('10.0.0.0/8', 1, { table: 254 }),
    route('10.0.0.0/8', 2, { table: 7 }),
    route('10.1.0.0/16', 0, { table: 7, type: 'throw', hops: [] }),
    route('0.0.0.0/0', 3, { table: 8 }),
  ];
  const main = rule(32_766, { table: 254 });

  it('in their order, and past a throw', () => {
    const find = table(routes, [rule(5, { table: 7 }), main]);
    expect(find('10.9.9.9')).toBe(2);
    expect(find('10.1.0.1')).toBe(1);
  });

  it('by mark, inverted as WireGuard has it', () => {
    const find = table(routes, [rule(5, { table: 7, mark: 1, mask: 1, isInverted: true }), main]);
    expect(find('10.9.9.9')).toBe(2);
    expect(find('10.9.9.9', { mark: 1 })).toBe(1);
  });

  it('by source and incoming device', () => {
    const find = table(routes, [
      rule(5, { table: 7, src: prefix('10.20.0.0/16'), incoming: 'pod0' }),
      main,
    ]);
    expect(find('10.9.9.9')).toBe(1);
    expect(find('10.9.9.9', { src: address('10.20.1.1') })).toBe(1);
    expect(find('10.9.9.9', { src: address('10.20.1.1'), incoming: 'pod0' })).toBe(2);
  });

  it('default routes are suppressed, and a refusal ends it', () => {
    const find = table(routes, [
      rule(5, { table: 8, suppressedLength: 0 }),
      rule(6, { action: 'refuse', dst: prefix('10.1.0.0/16') }),
      main,
    ]);
    expect(find('10.9.9.9')).toBe(1);
    expect(find('10.1.0.1')).toBe(null);
  });

  it('a jump goes forward, and one that goes back ends', () => {
    const find = table(routes, [
      rule(5, { action: 'goto', target: 10 }),
      rule(6, { table: 7 }),
      rule(10, { table: 254 }),
    ]);
    expect(find('10.9.9.9')).toBe(1);
    const back = table(routes, [
      rule(4, { action: 'nop' }),
      rule(5, { action: 'goto', target: 4 }),
      main,
    ]);
    expect(back('10.9.9.9')).toBe(1);
  });

  it('what a rule looks at besides makes the outcome uncertain', () => {
    const found = new RouteTable(routes, [rule(5, { table: 7, isSelective: true }), main]).find(
      key('10.9.9.9'),
    );
    expect(found).toMatchObject({ isCertain: false, hop: { ifindex: 1 } });
  });
});
