import { expect, it } from 'vitest';
import { audit, FINDINGS_LIMIT } from '../../src/mtu/audit.js';
import { ENDPOINT_LIMIT, endpointsOf } from '../../src/mtu/tunnel-ends.js';
import { WAYS_LIMIT } from '../../src/mtu/ways.js';
import type { Link, NamespaceDescription, Route } from '../../src/network/description.js';
import { Machine } from '../../src/network/machine.js';
import { address, link, namespace, route, tunnel } from './described.js';

const NODE = 1;
const POD = 2;

/** A node with a pod and so many routes. */
function withRoutes(count: number): NamespaceDescription[] {
  const routes: Route[] = Array.from({ length: count }, (_, i) =>
    route(`${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`, 1),
  );
  const pair = { kind: 'veth' } as const;
  return [
    namespace(NODE, 'node', {
      links: [link(1, 'eth0'), link(2, 'pod0', { ...pair, other: { netns: POD, ifindex: 1 } })],
      routes,
    }),
    namespace(POD, 'pod', {
      links: [link(1, 'eth0', { ...pair, other: { netns: NODE, ifindex: 2 } })],
      addresses: [{ ifindex: 1, address: address('10.0.0.1'), length: 32 }],
      routes: [route('0.0.0.0/0', 1)],
    }),
  ];
}

it('as many ways as the limit, and one more', () => {
  const exact = audit({ namespaces: withRoutes(WAYS_LIMIT), problems: [] });
  expect([exact.ways.length, exact.leftOut.ways]).toEqual([WAYS_LIMIT, 0]);
  const more = audit({ namespaces: withRoutes(WAYS_LIMIT + 1), problems: [] });
  expect([more.ways.length, more.leftOut.ways]).toEqual([WAYS_LIMIT, 1]);
});

it('as many findings as the limit, and one more', () => {
  const namespaces = (count: number) => [
    namespace(NODE, 'node', {
      links: [link(1, 'eth0')],
      routes: Array.from({ length: count }, (_, i) =>
        route(`10.${i >> 8}.${i & 255}.0/24`, 1, { mtu: 9000 }),
      ),
    }),
  ];
  const exact = audit({ namespaces: namespaces(FINDINGS_LIMIT), problems: [] });
  expect([exact.findings.length, exact.leftOut.findings]).toEqual([FINDINGS_LIMIT, 0]);
  const more = audit({ namespaces: namespaces(FINDINGS_LIMIT + 1), problems: [] });
  expect([more.findings.length, more.leftOut.findings]).toEqual([FINDINGS_LIMIT, 1]);
});

it('as many ends of a tunnel as the limit, and one more', () => {
  const vxlan: Link = link(1, 'vx0', { kind: 'vxlan', underlay: NODE, tunnel: tunnel('vxlan') });
  const ends = (count: number) => {
    const node = namespace(NODE, 'node', {
      links: [vxlan],
      forwarding: Array.from({ length: count }, (_, i) => ({
        ...{ ifindex: 1, mac: '020000000001', dst: address(`10.1.${i >> 8}.${i & 255}`) },
      })),
    });
    const [only] = new Machine({ namespaces: [node], problems: [] }).namespaces;
    const found = only === undefined ? null : endpointsOf({ namespace: only, link: vxlan });
    return [found?.endpoints.length, found?.leftOut];
  };
  expect(ends(ENDPOINT_LIMIT)).toEqual([ENDPOINT_LIMIT, 0]);
  expect(ends(ENDPOINT_LIMIT + 1)).toEqual([ENDPOINT_LIMIT, 1]);
});
