import { expect, test } from 'vitest';
import {
  countedDevices,
  type KnownDevice,
  type KnownNamespace,
} from '../../src/source/counted-devices.js';

const device = (ifindex: number, more: Partial<KnownDevice> = {}): KnownDevice => ({
  ifindex,
  kind: null,
  isLoopback: false,
  hasDefaultRoute: false,
  isEnslaved: false,
  peer: null,
  isPeerElsewhere: false,
  ...more,
});
const LOOPBACK = device(1, { isLoopback: true });
const veth = (ifindex: number, netns: number, peer: number, more = {}): KnownDevice =>
  device(ifindex, {
    kind: 'veth',
    peer: { netns, ifindex: peer },
    isPeerElsewhere: true,
    ...more,
  });
const namespace = (
  netns: number,
  devices: KnownDevice[],
  more: Partial<KnownNamespace> = {},
): KnownNamespace => ({
  netns,
  path: `/run/netns/${netns}`,
  forwards: false,
  isOwn: false,
  devices: [LOOPBACK, ...devices],
  ...more,
});
const roles = (...namespaces: KnownNamespace[]): string[] =>
  countedDevices(namespaces).map(({ netns, ifindex, role }) => `${netns}/${ifindex} ${role}`);

const POD = (netns: number, node: number, peer: number): KnownNamespace =>
  namespace(netns, [veth(2, node, peer, { hasDefaultRoute: true })]);

test('a machine with pods: their veths at the node’s end, and its network card', () => {
  const host = namespace(
    1,
    [
      device(2, { hasDefaultRoute: true }),
      veth(10, 100, 2),
      veth(11, 101, 2),
      device(20, { kind: 'vxlan' }),
      device(21, { kind: 'bridge' }),
      device(22, { kind: 'ifb' }),
    ],
    { forwards: true, isOwn: true },
  );
  const devices = countedDevices([host, POD(100, 1, 10), POD(101, 1, 11)]);
  expect(devices).toEqual([
    { netns: 1, path: '/run/netns/1', ifindex: 2, role: 'uplink', peer: null },
    {
      ...{ netns: 1, path: '/run/netns/1', ifindex: 10, role: 'pod' },
      peer: { path: '/run/netns/100', ifindex: 2 },
    },
    {
      ...{ netns: 1, path: '/run/netns/1', ifindex: 11, role: 'pod' },
      peer: { path: '/run/netns/101', ifindex: 2 },
    },
  ]);
});

test('two nodes on one machine, joined by a bridge in a namespace of its own', () => {
  const first = namespace(1, [veth(2, 3, 5), veth(10, 100, 2)], { forwards: true });
  const second = namespace(2, [veth(2, 3, 6), veth(10, 200, 2)], { forwards: true });
  const segment = namespace(3, [veth(5, 1, 2), veth(6, 2, 2), device(7, { kind: 'bridge' })]);
  expect(roles(first, second, segment, POD(100, 1, 10), POD(200, 2, 10))).toEqual([
    '1/2 uplink',
    '1/10 pod',
    '2/2 uplink',
    '2/10 pod',
  ]);
});

test('two nodes joined directly are each other’s uplink, and no pod of the other', () => {
  const first = namespace(1, [veth(2, 2, 2)], { forwards: true });
  const second = namespace(2, [veth(2, 1, 2)], { forwards: true });
  expect(roles(first, second)).toEqual(['1/2 uplink', '2/2 uplink']);
});

test('a pod with two veths to its node is an end for both', () => {
  const node = namespace(1, [veth(10, 100, 2), veth(11, 100, 3)], { forwards: true });
  const pod = namespace(100, [veth(2, 1, 10), veth(3, 1, 11)]);
  expect(roles(node, pod)).toEqual(['1/10 pod', '1/11 pod']);
});

test('a pod that is not known is counted without its peer', () => {
  const node = namespace(
    1,
    [device(10, { kind: 'veth', peer: null, isPeerElsewhere: true }), veth(11, 999, 2)],
    { forwards: true },
  );
  expect(countedDevices([node]).map(({ role, peer }) => ({ role, peer }))).toEqual([
    { role: 'pod', peer: null },
    { role: 'pod', peer: null },
  ]);
});

test('what does not forward is no node, unless it is the daemon’s own', () => {
  const devices = [device(2), veth(10, 100, 2)];
  expect(roles(namespace(1, devices))).toEqual([]);
  expect(roles(namespace(1, devices, { isOwn: true }))).toEqual(['1/2 uplink', '1/10 pod']);
});

test('a veth whose ends are in one namespace is none of either', () => {
  const node = namespace(1, [device(4, { kind: 'veth' }), veth(10, 100, 2)], { forwards: true });
  expect(roles(node)).toEqual(['1/10 pod']);
});

test('a bond is counted on and not its parts, a pod’s veth on a bridge is', () => {
  const node = namespace(
    1,
    [
      device(2, { isEnslaved: true }),
      device(3, { isEnslaved: true }),
      device(4, { kind: 'bond', hasDefaultRoute: true }),
      veth(10, 100, 2, { isEnslaved: true }),
    ],
    { forwards: true },
  );
  expect(roles(node, POD(100, 1, 10))).toEqual(['1/4 uplink', '1/10 pod']);
});
