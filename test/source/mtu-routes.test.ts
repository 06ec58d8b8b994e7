import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import {
  A,
  auditNet,
  makeAuditedNet,
  P1,
  POD2,
  removeAuditedNet,
  withChange,
} from './audited-net.js';

beforeAll(makeAuditedNet);
afterAll(removeAuditedNet);
afterEach(() => runIn(P1, 'ip', ['route', 'flush', 'cache']));

const DEFAULT = 'route replace default via 169.254.1.1';

it('route-mtu-disagrees: a route above its device', async () => {
  const { findings } = await withChange(
    P1,
    [`${DEFAULT} dev eth0 mtu 1500`],
    [`${DEFAULT} dev eth0`],
    auditNet,
  );
  expect(findings).toMatchObject([
    {
      ...{ id: 'route-mtu-disagrees', severity: 'error', netns: P1, dev: 'eth0', peer: null },
      ...{ found: { mtu: 1500 }, expected: { mtu: 1450 }, evidence: ['route', 'device'] },
      remedy: `ip -n ${P1} route change default via 169.254.1.1 dev eth0 mtu 1450`,
    },
  ]);
});

it('route-mtu-disagrees: an MSS above the device, and one that fits', async () => {
  const above = await withChange(
    P1,
    [`${DEFAULT} dev eth0 advmss 1460`],
    [`${DEFAULT} dev eth0`],
    auditNet,
  );
  expect(above.findings).toMatchObject([
    {
      ...{ id: 'route-mtu-disagrees', netns: P1, dev: 'eth0' },
      ...{ found: { advmss: 1460 }, expected: { advmss: 1410 } },
    },
  ]);
  const fitting = await withChange(
    P1,
    [`${DEFAULT} dev eth0 advmss 1410 mtu 1400`.replace('1410', '1360')],
    [`${DEFAULT} dev eth0`],
    auditNet,
  );
  expect(fitting.findings).toEqual([]);
});

it('route-mtu-disagrees: a lock turns path MTU discovery off', async () => {
  const both = ['link set eth0 mtu 1500', `${DEFAULT} dev eth0 mtu lock 1500`];
  const { findings } = await withChange(
    A,
    ['link set pod0 mtu 1500'],
    ['link set pod0 mtu 1450'],
    () => withChange(P1, both, ['link set eth0 mtu 1450', `${DEFAULT} dev eth0`], auditNet),
  );
  expect(findings.filter(({ id }) => id === 'route-mtu-disagrees')).toMatchObject([
    {
      ...{ severity: 'warning', netns: P1, dev: 'eth0', peer: { netns: A, dev: 'vx0' } },
      ...{ found: { mtu: 1500, lock: true }, expected: { mtu: 1450 } },
    },
  ]);
});

it('the route of a table that a rule chooses counts', async () => {
  const { ways, findings } = await withChange(
    A,
    [
      'rule add from 10.20.1.0/24 lookup 77',
      'route add 10.20.2.0/24 via 10.9.0.2 dev vx0 onlink table 77 mtu 1300',
    ],
    ['rule del from 10.20.1.0/24 lookup 77', 'route flush table 77'],
    auditNet,
  );
  const way = ways.find(({ pod, trace }) => {
    return pod.device.namespace.name === P1 && trace.end === 'delivered';
  });
  expect(way?.mtu).toBe(1300);
  expect(way?.setBy).toMatchObject({ kind: 'route' });
  expect(findings).toMatchObject([
    {
      ...{ id: 'pod-mtu-above-tunnel', netns: A, dev: 'pod0' },
      ...{ expected: { mtu: 1300 }, evidence: ['device', 'route'] },
    },
  ]);
});

it('pmtu-cache-poisoned: what an error gave is below every device of the way', async () => {
  // The far end refuses more than 1200 for a while.
  await runIn(P1, 'ping', ['-c2', '-W5', '-i0.2', POD2]);
  await withChange(
    A,
    ['route change 10.20.2.0/24 via 10.9.0.2 dev vx0 onlink mtu 1200'],
    ['route change 10.20.2.0/24 via 10.9.0.2 dev vx0 onlink'],
    () => runIn(P1, 'ping', ['-c1', '-W5', '-Mdo', '-s1300', POD2]).catch(() => ''),
  );
  const learned = await runIn(P1, 'ip', ['route', 'get', POD2]);
  expect(learned).toContain('mtu 1200');
  const { findings } = await auditNet();
  expect(findings).toMatchObject([
    {
      ...{ id: 'pmtu-cache-poisoned', severity: 'warning', netns: P1, dev: 'eth0' },
      found: { mtu: 1200, lock: false, expiresIn: expect.closeTo(600, -2) },
      expected: { mtu: 1450 },
      remedy: `ip -n ${P1} route flush cache`,
    },
  ]);
  await runIn(P1, 'sh', ['-c', (findings[0]?.remedy ?? '').replace(`-n ${P1} `, '')]);
  expect((await auditNet()).findings).toEqual([]);
});

it('what an error gave for a reason that stands is no fault', async () => {
  const narrow = 'route change 10.20.2.0/24 via 10.9.0.2 dev vx0 onlink mtu 1300';
  const back = 'route change 10.20.2.0/24 via 10.9.0.2 dev vx0 onlink';
  const { findings } = await withChange(A, [narrow], [back], async () => {
    await runIn(P1, 'ping', ['-c1', '-W5', '-Mdo', '-s1400', POD2]).catch(() => '');
    expect(await runIn(P1, 'ip', ['route', 'get', POD2])).toContain('mtu 1300');
    return auditNet();
  });
  expect(findings.map(({ id }) => id)).toEqual(['pod-mtu-above-tunnel']);
});
