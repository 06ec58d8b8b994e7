import { afterAll, beforeAll, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import {
  A,
  auditNet,
  B,
  faultsFound,
  INNER,
  makeAuditedNet,
  P1,
  P2,
  POD2,
  removeAuditedNet,
  setPodMtu,
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
  await runIn(P1, 'ping', ['-c3', '-W5', '-i0.2', POD2]);
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

it('agrees with tracepath, whatever the pods send', async () => {
  for (const mtu of [INNER, 1500]) {
    await setPodMtu(mtu);
    const traced = await runIn(P1, 'tracepath', ['-n', '-m', '4', POD2]);
    const [, found] = /Resume: pmtu (\d+)/u.exec(traced) ?? [];
    expect(Number(found), traced).toBe(INNER);
    await runIn(P1, 'ip', ['route', 'flush', 'cache']);
  }
  await setPodMtu(INNER);
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

it('tunnel-mtu-above-underlay and tunnel-on-other-device', async () => {
  const { findings } = await onBothNodes('vx0', 1500, () => auditNet());
  // VXLAN does not set DF by itself: its packets are cut.
  const common = { severity: 'warning', dev: 'vx0', found: { mtu: 1500 }, expected: { mtu: 1450 } };
  expect(findings).toMatchObject(
    [A, B].map((netns) => ({
      ...{ ...common, id: 'tunnel-mtu-above-underlay', netns, peer: { netns, dev: 'up0' } },
      remedy: `ip -n ${netns} link set dev vx0 mtu 1450`,
    })),
  );
  // The default route takes a device that would have room.
  const wide = await withChange(
    A,
    [
      'link add wide0 mtu 9000 type veth peer name wide1 mtu 9000',
      'link set wide0 up',
      'link set wide1 up',
      'route replace default via 192.0.2.254 dev wide0 onlink',
    ],
    ['link del wide0', 'route replace default via 192.0.2.254'],
    () => onBothNodes('vx0', 1500, auditNet),
  );
  expect(wide.findings).toContainEqual(
    expect.objectContaining({
      ...{ id: 'tunnel-on-other-device', netns: A, dev: 'vx0', peer: { netns: A, dev: 'up0' } },
      found: { mtu: 1500, fits: 'wide0' },
      expected: { mtu: 1450, fits: 'up0' },
    }),
  );
  expect(wide.findings).toHaveLength(3);
});

it('nodes-differ', async () => {
  const { findings } = await withChange(
    B,
    ['link set vx0 mtu 1400'],
    ['link set vx0 mtu 1450'],
    auditNet,
  );
  expect(findings.filter(({ severity }) => severity !== 'note')).toMatchObject([
    // What the pods of 1450 send does not fit the smaller one.
    {
      id: 'pod-mtu-above-tunnel',
      ...{ netns: B, dev: 'pod0', peer: { netns: P2, dev: 'eth0' } },
      ...{ found: { mtu: 1450 }, expected: { mtu: 1400 } },
    },
    {
      ...{ id: 'nodes-differ', severity: 'warning', netns: B, dev: 'vx0' },
      ...{ peer: { netns: A, dev: 'vx0' }, found: { mtu: 1400 }, expected: { mtu: 1450 } },
    },
  ]);
});

it('mtu-wasted', async () => {
  const { findings } = await onBothNodes('vx0', 1400, () =>
    onBothNodes('pod0', 1380, () =>
      withChange(P1, ['link set eth0 mtu 1380'], ['link set eth0 mtu 1450'], () =>
        withChange(P2, ['link set eth0 mtu 1380'], ['link set eth0 mtu 1450'], auditNet),
      ),
    ),
  );
  const at = ({ id, netns, dev, severity }: (typeof findings)[number]) =>
    `${severity} ${id} ${netns}/${dev}`;
  expect(findings.map(at)).toEqual([
    `note mtu-wasted ${A}/pod0`,
    `note mtu-wasted ${A}/vx0`,
    `note mtu-wasted ${B}/pod0`,
    `note mtu-wasted ${B}/vx0`,
  ]);
  expect(findings[1]).toMatchObject({
    ...{ found: { mtu: 1400 }, expected: { mtu: 1450 }, peer: { netns: A, dev: 'up0' } },
    because: `${A}/up0 leaves room for 1450: 50 bytes of payload are lost a packet (3.4 %)`,
  });
});

it('several at once, each at its device', async () => {
  const found = await onBothNodes('vx0', 1480, () =>
    withChange(A, ['link set pod0 mtu 1500'], ['link set pod0 mtu 1450'], () =>
      withChange(P1, ['link set eth0 mtu 1490'], ['link set eth0 mtu 1450'], faultsFound),
    ),
  );
  expect(found).toEqual([
    `pod-mtu-above-tunnel ${A}/pod0`,
    `tunnel-mtu-above-underlay ${A}/vx0`,
    `tunnel-mtu-above-underlay ${B}/vx0`,
    `veth-ends-differ ${P1}/eth0`,
  ]);
  expect(await faultsFound()).toEqual([]);
});

function onBothNodes<T>(device: string, mtu: number, look: () => Promise<T>): Promise<T> {
  const change = [`link set ${device} mtu ${mtu}`];
  const back = [`link set ${device} mtu ${INNER}`];
  return withChange(A, change, back, () => withChange(B, change, back, look));
}
