import { describe, expect, it } from 'vitest';
import { audit } from '../../src/mtu/audit.js';
import type { Link, NamespaceDescription, Route } from '../../src/network/description.js';
import { address, link, namespace, route, rule, tunnel } from './described.js';

const NODE = 1;
const POD = 2;

/** A pod of 1500 at the other end of `pod0` of a node. */
function cluster(
  node: { readonly links: readonly Link[]; readonly routes: readonly Route[] },
  more: Partial<NamespaceDescription> = {},
): NamespaceDescription[] {
  return [
    namespace(NODE, 'node', {
      links: [
        link(1, 'eth0'),
        link(2, 'pod0', { kind: 'veth', other: { netns: POD, ifindex: 1 } }),
        ...node.links,
      ],
      routes: [route('0.0.0.0/0', 1), ...node.routes],
      ...more,
    }),
    namespace(POD, 'pod', {
      links: [link(1, 'eth0', { kind: 'veth', other: { netns: NODE, ifindex: 2 } })],
      addresses: [{ ifindex: 1, address: address('10.0.0.1'), length: 32 }],
      routes: [route('0.0.0.0/0', 1)],
    }),
  ];
}

const run = (namespaces: NamespaceDescription[]) => audit({ namespaces, problems: [] });

describe('a node whose programs, not its routes, send packets to the tunnel', () => {
  const pair = (ifindex: number, name: string, other: number) =>
    link(ifindex, name, { kind: 'veth', other: { netns: NODE, ifindex: other } });
  const namespaces = cluster({
    links: [
      pair(3, 'host0', 4),
      pair(4, 'host1', 3),
      link(5, 'vx0', {
        kind: 'vxlan',
        underlay: NODE,
        tunnel: tunnel('vxlan', { isExternal: true, hasEthernet: true }),
      }),
    ],
    routes: [
      route('10.1.0.0/24', 3, { mtu: 1450, hops: [{ ifindex: 3, via: address('10.0.0.254') }] }),
    ],
  });

  it('is followed once around, and no fault', () => {
    const { findings, ways } = run(namespaces);
    expect(findings).toEqual([]);
    const way = ways.find(({ dst }) => dst.length === 24);
    expect(way?.trace.end).toBe('unknown');
    expect(way?.trace.steps.map(({ device }) => device.link.name)).toEqual([
      ...['eth0', 'pod0', 'host0', 'host0', 'host1'],
    ]);
  });
});

it('what comes in by a port of a VRF is not followed further', () => {
  const vrf = link(9, 'vrf0', { kind: 'vrf' });
  const namespaces = cluster({ links: [vrf], routes: [route('10.1.0.0/24', 1)] });
  const [node, pod] = namespaces as [NamespaceDescription, NamespaceDescription];
  const enslaved = node.links.map((each) => (each.ifindex === 2 ? { ...each, master: 9 } : each));
  const { ways } = run([{ ...node, links: enslaved }, pod]);
  expect(new Set(ways.map(({ trace }) => trace.end))).toEqual(new Set(['unknown']));
  // Its rule says nothing of other devices.
  const rules = [rule(1000, { isVrf: true }), rule(32_766)];
  const plain = run([{ ...node, rules }, pod]);
  expect(new Set(plain.ways.map(({ trace }) => trace.end))).toEqual(new Set(['leaves']));
});

it('tunnels in tunnels add up, down to a limit', () => {
  const over = (ifindex: number, name: string, remote: string, mtu: number) =>
    link(ifindex, name, {
      ...{ kind: 'gre', mtu, underlay: NODE },
      tunnel: tunnel('gre', { remote: address(remote) }),
    });
  const namespaces = cluster({
    links: [
      over(3, 'a', '198.51.100.1', 1476),
      over(4, 'b', '10.3.0.1', 1452),
      over(5, 'c', '10.4.0.1', 1452),
    ],
    routes: [route('10.3.0.0/24', 3), route('10.4.0.0/24', 4), route('10.5.0.0/24', 5)],
  });
  const { findings, ways } = run(namespaces);
  const way = ways.find(({ towards }) => towards.value === address('10.5.0.1').value);
  expect(way?.mtu).toBe(1500 - 3 * 24);
  expect(way?.setBy.device.link.name).toBe('b');
  expect(way?.trace.steps.at(-1)?.tunnels.map((each) => each.link.name)).toEqual(['c', 'b', 'a']);
  expect(findings.map(({ id, dev }) => `${id} ${dev}`)).toEqual([
    ...Array<string>(3).fill('pod-mtu-above-tunnel pod0'),
    'tunnel-mtu-above-underlay c',
    'tunnel-on-other-device c',
  ]);
});

it('a route for all pods is followed to one that no longer prefix takes', () => {
  const namespaces = cluster({
    links: [
      link(3, 'tun0', {
        ...{ kind: 'gre', mtu: 1476, underlay: NODE },
        tunnel: tunnel('gre', { remote: address('198.51.100.1') }),
      }),
    ],
    routes: [route('10.0.0.0/8', 3), route('10.0.0.1/32', 2)],
  });
  const { ways, findings } = run(namespaces);
  const way = ways.find(({ dst }) => dst.length === 8);
  expect(way?.mtu).toBe(1476);
  expect(findings.map(({ id }) => id)).toEqual(['pod-mtu-above-tunnel']);
});
