import { describe, expect, it } from 'vitest';
import type { Route, Rule } from '../../src/network/description.js';
import type { RouteKey } from '../../src/network/route-table.js';
import { parseAddress } from '../../src/rules/address.js';
import { explainRoute, type RouteSeen } from '../../src/rules/explain-route.js';
import { networkText, readNetworkText } from '../../src/rules/network-text.js';

const LINKS = ['lo', 'eth0', 'eth1'].map((name, index) => ({ ifindex: index + 1, name }));

function route(
  prefix: string,
  type: Route['type'],
  devices: readonly number[],
  table = 254,
): Route {
  const [address = '', length = '32'] = prefix.split('/');
  return {
    ...{ table, type, priority: 0, mtu: null, isMtuLocked: false, advmss: null },
    dst: { family: 4, value: BigInt(Number(parseAddress(address))), length: Number(length) },
    hops: devices.map((ifindex) => ({ ifindex, via: null })),
  };
}

function rule(priority: number, change: Partial<Rule> = {}): Rule {
  return {
    ...{ family: 4, priority, src: null, dst: null, incoming: null, outgoing: null, mark: 0 },
    ...{ mask: 0, isInverted: false, action: 'table', table: 254, target: null },
    ...{ suppressedLength: null, isVrf: false, isSelective: false, ...change },
  };
}

const ROUTES = [
  route('10.0.0.0/8', 'unicast', [2]),
  route('10.1.0.0/26', 'blackhole', []),
  route('10.2.0.0/16', 'unicast', [2, 3]),
  route('10.3.0.1/32', 'local', [2], 255),
  route('10.5.0.0/16', 'unicast', [3, 3]),
  route('10.0.0.0/8', 'unicast', [3], 100),
];
const USUAL = [rule(0, { table: 255 }), rule(32_766), rule(32_767, { table: 253 })];

function asked(
  dst: string,
  seen: RouteSeen,
  rules: readonly Rule[] = USUAL,
  mark = 0,
  isSent = false,
): string[] {
  const value = (text: string): bigint => BigInt(Number(parseAddress(text)));
  const key: RouteKey = {
    dst: { family: 4, value: value(dst) },
    src: { family: 4, value: value('10.9.9.9') },
    ...{ mark, incoming: 'eth1', outgoing: null },
  };
  const network = readNetworkText(networkText({ links: LINKS, routes: ROUTES, rules }));
  return explainRoute(network, key, seen, isSent).map(
    ({ table, rule: text, verdict, certainty, of }) =>
      `${table} ${text} -> ${verdict} [${certainty}${of === null ? '' : ` ${of}`}]`,
  );
}

const by = (device: string): RouteSeen => ({ kind: 'device', device });

describe('the route that took a packet', () => {
  it('is seen by the device it left by', () => {
    expect(asked('10.9.0.1', by('eth0'))).toEqual(['main 10.0.0.0/8 dev eth0 -> dev eth0 [seen]']);
  });

  it('is not named where the packet went another way', () => {
    expect(asked('10.9.0.1', by('eth1'))).toEqual(['route null -> unknown [unknown]']);
    expect(asked('10.9.0.1', { kind: 'refused' })).toEqual(['route null -> unknown [unknown]']);
    expect(asked('10.1.0.1', by('eth0'))).toEqual(['route null -> unknown [unknown]']);
    expect(asked('10.9.0.1', { kind: 'local' })).toEqual(['route null -> unknown [unknown]']);
  });

  it('is a blackhole where routing dropped it', () => {
    expect(asked('10.1.0.1', { kind: 'refused' })).toEqual([
      'main blackhole 10.1.0.0/26 -> blackhole [seen]',
    ]);
  });

  it('of several next hops is the one by that device, or one of those by it', () => {
    const both = '10.2.0.0/16 dev eth0 dev eth1';
    expect(asked('10.2.0.1', by('eth1'))).toEqual([`main ${both} -> dev eth1 [seen]`]);
    expect(asked('10.5.0.1', by('eth1'))).toEqual([
      'main 10.5.0.0/16 dev eth1 dev eth1 -> dev eth1 [one-of 2]',
    ]);
  });

  it('is local where it was delivered', () => {
    expect(asked('10.3.0.1', { kind: 'local' })).toEqual([
      'local local 10.3.0.1 dev eth0 -> local [seen]',
    ]);
  });

  it('is missing where nothing leads there', () => {
    expect(asked('192.0.2.1', { kind: 'refused' })).toEqual(['route null -> no route [seen]']);
  });

  it('comes after the rule that somebody made', () => {
    const rules = [...USUAL, rule(100, { mark: 1, mask: 0xff, table: 100 })].sort(
      (a, b) => a.priority - b.priority,
    );
    expect(asked('10.9.0.1', by('eth1'), rules, 1)).toEqual([
      'rules 100: from all fwmark 0x1/0xff lookup 100 -> lookup 100 [seen]',
      '100 10.0.0.0/8 dev eth1 -> dev eth1 [seen]',
    ]);
    const refusing = [rule(5, { action: 'refuse', refusal: 'prohibit' }), ...USUAL];
    expect(asked('10.9.0.1', { kind: 'refused' }, refusing)).toEqual([
      'rules 5: from all prohibit -> prohibit [seen]',
    ]);
  });

  it('is not certain where a rule looks at more, or a device may have its own table', () => {
    for (const change of [{ isSelective: true }, { isVrf: true }]) {
      const [line] = asked('10.9.0.1', by('eth0'), [rule(1, { ...change, table: 100 }), ...USUAL]);
      expect(line).toMatch(/\[unknown\]$/);
    }
  });

  it('is not certain where a source that was chosen later would decide', () => {
    const src = { family: 4, value: 0x0a090000n, length: 16 } as const;
    const rules = [rule(1, { src, table: 100 }), ...USUAL];
    expect(asked('10.9.0.1', by('eth1'), rules, 0, true)[0]).toMatch(/\[unknown\]$/);
    expect(asked('10.9.0.1', by('eth1'), rules)[0]).toMatch(/\[seen\]$/);
  });
});
