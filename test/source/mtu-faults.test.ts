import { afterAll, beforeAll, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import {
  A,
  auditNet,
  faultsFound,
  INNER,
  makeAuditedNet,
  P1,
  POD2,
  removeAuditedNet,
  withChange,
} from './audited-net.js';

beforeAll(makeAuditedNet);
afterAll(removeAuditedNet);

it('finds nothing where everything fits', async () => {
  expect(await faultsFound()).toEqual([]);
});

it('says what fits on the way to a pod of the other node, and which device sets it', async () => {
  const { ways } = await auditNet();
  const way = ways.find(({ towards, pod }) => {
    return pod.device.namespace.name === P1 && towards.value === 0x0a_14_02_02n;
  });
  expect(way?.mtu).toBe(INNER);
  expect(way?.trace.end).toBe('delivered');
  const hops = way?.trace.steps.map(
    ({ device, room }) => `${device.namespace.name}/${device.link.name} ${room}`,
  );
  expect(hops).toEqual([
    'hs-mtu-p1/eth0 1450',
    'hs-mtu-a/pod0 1450',
    'hs-mtu-a/vx0 1450',
    'hs-mtu-a/up0 1450',
    'hs-mtu-b/up0 1450',
    'hs-mtu-b/pod0 1450',
    'hs-mtu-p2/eth0 1450',
  ]);
  // Neighbours are known from now on.
  await runIn(P1, 'ping', ['-c3', '-W1', '-i0.2', POD2]);
  // The kernel agrees: that size passes whole, and one byte more does not.
  for (const [size, status] of [
    [INNER, 0],
    [INNER + 1, 1],
  ] as const) {
    const sent = runIn(P1, 'ping', ['-c1', '-W1', '-Mdo', `-s${size - 28}`, POD2]);
    expect(
      await sent.then(
        () => 0,
        () => 1,
      ),
    ).toBe(status);
  }
});

it('pod-mtu-above-tunnel', async () => {
  const { findings } = await withChange(
    A,
    ['link set pod0 mtu 1500'],
    ['link set pod0 mtu 1450'],
    () => withChange(P1, ['link set eth0 mtu 1500'], ['link set eth0 mtu 1450'], () => auditNet()),
  );
  expect(findings).toEqual([
    {
      id: 'pod-mtu-above-tunnel',
      severity: 'error',
      netns: A,
      dev: 'pod0',
      peer: { netns: P1, dev: 'eth0' },
      found: { mtu: 1500 },
      expected: { mtu: 1450 },
      because: 'vx0 adds 50 bytes to packets of at most 1500 on up0',
      evidence: ['device'],
      remedy: `ip -n ${P1} link set dev eth0 mtu 1450 && ip -n ${A} link set dev pod0 mtu 1450`,
    },
  ]);
});

it('veth-ends-differ', async () => {
  const look = () => faultsFound();
  expect(
    await withChange(P1, ['link set eth0 mtu 1400'], ['link set eth0 mtu 1450'], look),
  ).toEqual([`veth-ends-differ ${P1}/eth0`]);
});

it('tunnel-mtu-above-underlay', async () => {
  const { findings } = await withChange(
    A,
    ['link set vx0 mtu 1500'],
    ['link set vx0 mtu 1450'],
    () => auditNet(),
  );
  expect(findings).toMatchObject([
    {
      id: 'tunnel-mtu-above-underlay',
      // VXLAN does not set DF by itself: its packets are cut.
      severity: 'warning',
      ...{ netns: A, dev: 'vx0', peer: { netns: A, dev: 'up0' } },
      ...{ found: { mtu: 1500 }, expected: { mtu: 1450 } },
      remedy: `ip -n ${A} link set dev vx0 mtu 1450`,
    },
  ]);
});

it('several at once, each at its device', async () => {
  const found = await withChange(
    A,
    ['link set vx0 mtu 1480', 'link set pod0 mtu 1500'],
    ['link set vx0 mtu 1450', 'link set pod0 mtu 1450'],
    () => withChange(P1, ['link set eth0 mtu 1490'], ['link set eth0 mtu 1450'], faultsFound),
  );
  expect(found).toEqual([
    `pod-mtu-above-tunnel ${A}/pod0`,
    `tunnel-mtu-above-underlay ${A}/vx0`,
    `veth-ends-differ ${P1}/eth0`,
  ]);
  expect(await faultsFound()).toEqual([]);
});
