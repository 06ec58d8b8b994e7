import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipBatch, runCommand, runIn } from '../../src/lab/run-command.js';
import { audit } from '../../src/mtu/audit.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';
import { readNetwork } from '../../src/source/network-reader.js';
import {
  auditNet,
  faultsFound,
  makeAuditedNet,
  removeAuditedNet,
  withChange,
} from './audited-net.js';
import { hasLink } from './has-link.js';

const SWITCH = 'hs-mtu-switch';
const HOSTS = ['hs-mtu-h1', 'hs-mtu-h2', 'hs-mtu-h3'] as const;

const VLAN = await hasLink('vlan', 'link add link v0 name v0.5 type vlan id 5');
const BOND = await hasLink('bond', 'link add b0 type bond');

beforeAll(async () => {
  await makeAuditedNet();
  await runCommand('ip', ['netns', 'add', SWITCH]);
  await ipBatch(SWITCH, ['link add br0 type bridge', 'link set br0 up']);
  for (const [i, host] of HOSTS.entries()) {
    await runCommand('ip', ['netns', 'add', host]);
    await ipBatch(SWITCH, [
      `link add port${i} type veth peer name eth0 netns ${host}`,
      `link set port${i} master br0 up`,
    ]);
    await ipBatch(host, [`address add 198.51.100.${i + 1}/24 dev eth0`, 'link set eth0 up']);
  }
});
afterAll(removeAuditedNet);

it('a bridge of ports that are alike is no fault', async () => {
  expect(await faultsFound()).toEqual([]);
});

it('bridge-port-differs: the port that is not as the others, and its far end', async () => {
  const { findings } = await withChange(
    SWITCH,
    ['link set port1 mtu 1400'],
    ['link set port1 mtu 1500'],
    auditNet,
  );
  expect(findings).toMatchObject([
    {
      ...{ id: 'veth-ends-differ', netns: SWITCH, dev: 'port1' },
      peer: { netns: HOSTS[1], dev: 'eth0' },
    },
    {
      ...{ id: 'bridge-port-differs', severity: 'error', netns: SWITCH, dev: 'port1' },
      ...{ peer: { netns: SWITCH, dev: 'br0' }, found: { mtu: 1400 }, expected: { mtu: 1500 } },
    },
  ]);
});

it('bridge-port-differs: a tunnel among the ports has the MTU that counts', async () => {
  const found = await withChange(
    SWITCH,
    ['link add vx9 mtu 1450 type vxlan id 9 dstport 4789', 'link set vx9 master br0 up'],
    ['link del vx9'],
    faultsFound,
  );
  expect(found).toEqual([0, 1, 2].map((i) => `bridge-port-differs ${SWITCH}/port${i}`));
});

it('a pair that carries nothing is no fault', async () => {
  const found = await withChange(
    SWITCH,
    [
      'link add idle0 mtu 1400 type veth peer name idle1 mtu 9000',
      'link set idle0 up',
      'link set idle1 up',
    ],
    ['link del idle0'],
    faultsFound,
  );
  expect(found).toEqual([]);
});

it('a larger device whose routes stay below is no fault', async () => {
  const found = await withChange(
    HOSTS[0],
    ['link set eth0 mtu 9000', 'route change 198.51.100.0/24 dev eth0 mtu 1500'],
    [
      'link set eth0 mtu 1500',
      'route replace 198.51.100.0/24 dev eth0 proto kernel scope link src 198.51.100.1',
    ],
    faultsFound,
  );
  expect(found).toEqual([]);
});

it('a container whose namespace has no name', async () => {
  const child = spawn('unshare', ['--net', 'sleep', '60'], { stdio: 'ignore' });
  try {
    const path = `/proc/${child.pid}/ns/net`;
    await expect.poll(() => readlinkSync(path)).not.toBe(readlinkSync('/proc/self/ns/net'));
    await ipBatch(SWITCH, [
      `link add c0 type veth peer name eth0 netns ${child.pid}`,
      'address add 203.0.113.1/24 dev c0',
      'link set c0 up',
    ]);
    const inside = (...words: string[]) => runCommand('nsenter', [`--net=${path}`, 'ip', ...words]);
    await inside('address', 'add', '203.0.113.2/24', 'dev', 'eth0');
    await inside('link', 'set', 'eth0', 'mtu', '1400', 'up');
    const all = [...new NamespaceWatcher().scan(true).values()];
    const these = all.filter(({ name, path: at }) => name === SWITCH || at === path);
    const { findings } = audit(await readNetwork(these, NamespaceWatcher.own().netns));
    expect(findings).toMatchObject([
      {
        ...{ id: 'veth-ends-differ', netns: readlinkSync(path), dev: 'eth0' },
        remedy: `nsenter --net=${path} ip link set dev eth0 mtu 1500`,
      },
    ]);
    await runCommand('sh', ['-c', findings[0]?.remedy ?? 'false']);
    expect(audit(await readNetwork(these, 0)).findings).toEqual([]);
  } finally {
    child.kill();
    await once(child, 'exit');
  }
});

describe.skipIf(VLAN !== null)(VLAN ?? 'VLAN', () => {
  it.each([1, 2, 3])('%i tags: what is found is what the kernel drops', async (tags) => {
    const names = ['eth0', 'eth0.5', 'eth0.5.6', 'eth0.5.6.7'].slice(0, tags + 1);
    const top = names.at(-1) ?? '';
    const change = (end: number) => [
      ...names
        .slice(1)
        .flatMap((name, i) => [
          `link add link ${names[i]} name ${name} type vlan id ${i + 5}`,
          `link set ${name} up`,
        ]),
      `address add 203.0.113.${end}/24 dev ${top}`,
    ];
    const back = ['link del eth0.5'];
    const [passes, found] = await withChange(HOSTS[0], change(1), back, () =>
      withChange(HOSTS[1], change(2), back, async () => {
        const ping = (size: number) =>
          runIn(HOSTS[0], 'ping', ['-c3', '-i0.2', '-W1', '-Mdo', `-s${size}`, '203.0.113.2']);
        await ping(100);
        const whole = await ping(1472).then(
          () => true,
          () => false,
        );
        return [whole, await faultsFound()] as const;
      }),
    );
    const all = [HOSTS[0], HOSTS[1]].map((host) => `bond-or-vlan-differs ${host}/${top}`);
    expect(found).toEqual(passes ? [] : all);
  });
});

describe.skipIf(BOND !== null)(BOND ?? 'bond', () => {
  it('a port of a bond that has less room', async () => {
    const { findings } = await withChange(
      SWITCH,
      [
        'link add bond0 type bond mode active-backup',
        'link add b0 type veth peer name b1',
        'link set b0 down',
        'link set b0 master bond0',
        'link set b1 up',
        'address add 203.0.113.9/24 dev bond0',
        'link set bond0 up',
        'link set b0 mtu 1400',
      ],
      ['link del bond0', 'link del b0'],
      auditNet,
    );
    expect(findings).toMatchObject([
      {
        ...{ id: 'bond-or-vlan-differs', severity: 'error', netns: SWITCH, dev: 'b0' },
        ...{ peer: { netns: SWITCH, dev: 'bond0' }, found: { mtu: 1400 }, expected: { mtu: 1500 } },
      },
    ]);
  });
});
