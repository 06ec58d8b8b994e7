import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ipBatch, runCommand, runIn, setSysctls } from '../../src/lab/run-command.js';
import { findTunnelWays } from '../../src/mtu/tunnel-ways.js';
import { Machine } from '../../src/network/machine.js';
import { auditNet, readAudited, removeAuditedNet } from './audited-net.js';
import { hasLink } from './has-link.js';

const NEAR = 'hs-mtu-near';
const FAR = 'hs-mtu-far';
const V4 = 'local 192.0.2.1 remote 192.0.2.2';
/** With a route, so that it carries something. */
const UP = ['address add 10.9.9.1/30 dev t0', 'link set t0 up'] as const;
const V6 = 'local 2001:db8::1 remote 2001:db8::2';

beforeAll(async () => {
  await removeAuditedNet();
  for (const netns of [NEAR, FAR]) {
    await runCommand('ip', ['netns', 'add', netns]);
    await setSysctls(netns, ['net/ipv6/conf/default/accept_dad=0']);
  }
  await ipBatch(null, [`link add up0 netns ${NEAR} type veth peer name up0 netns ${FAR}`]);
  for (const [i, netns] of [NEAR, FAR].entries()) {
    await ipBatch(netns, [
      `address add 192.0.2.${i + 1}/24 dev up0`,
      `address add 2001:db8::${i + 1}/64 dev up0 nodad`,
      'link set up0 up',
    ]);
  }
});
afterAll(removeAuditedNet);
afterEach(async () => {
  await runIn(NEAR, 'ip', ['link', 'del', 't0']).catch(() => '');
});

/** What the kernel gives such a device by itself is what it takes the headers for. */
const KINDS: readonly (readonly [name: string, words: string])[] = [
  ['ipip', `type ipip ${V4}`],
  ['sit', `type sit ${V4}`],
  ['gre', `type gre ${V4}`],
  ['gre with key, checksum and sequence', `type gre ${V4} key 7 csum seq`],
  ['gretap', `type gretap ${V4}`],
  ['ip6tnl', `type ip6tnl mode any ${V6}`],
  ['ip6tnl without a limit', `type ip6tnl mode any ${V6} encaplimit none`],
  ['ip6gre', `type ip6gre ${V6}`],
  ['ip6gretap', `type ip6gretap ${V6}`],
  ['vxlan', `type vxlan id 7 dstport 4789 ${V4} dev up0`],
  ['vxlan over IPv6', `type vxlan id 7 dstport 4789 ${V6} dev up0`],
  ['geneve', 'type geneve id 7 remote 192.0.2.2'],
  ['geneve over IPv6', 'type geneve id 7 remote 2001:db8::2'],
];

describe.each(KINDS)('%s', async (name, words) => {
  const [, kind = ''] = words.split(' ');
  const missing = await hasLink(kind, `link add t0 ${words.replace(' dev up0', '')}`);

  it.skipIf(missing !== null)(missing ?? 'has the room that the kernel gives it', async () => {
    await ipBatch(NEAR, [`link add t0 ${words}`, ...UP]);
    const { tunnels } = findTunnelWays(new Machine(await readAudited()));
    expect(tunnels).toHaveLength(1);
    const [way] = tunnels;
    expect(way?.outer.link.name).toBe('up0');
    expect(way?.room, name).toBe(way?.device.link.mtu);
    expect((await auditNet()).findings).toEqual([]);
  });

  it.skipIf(missing !== null)('above its underlay is found', async () => {
    await ipBatch(NEAR, [
      `link add t0 ${words.replace(' dev up0', '')}`,
      'link set t0 mtu 1500',
      ...UP,
    ]);
    const found = (await auditNet()).findings;
    expect(found.map(({ id, netns, dev }) => `${id} ${netns}/${dev}`)).toEqual([
      `tunnel-mtu-above-underlay ${NEAR}/t0`,
    ]);
    expect(found[0]?.peer).toEqual({ netns: NEAR, dev: 'up0' });
  });
});

it('a tunnel that carries nothing is no fault', async () => {
  const words = `type vxlan id 7 dstport 4789 ${V4}`;
  await ipBatch(NEAR, [`link add t0 ${words}`, 'link set t0 mtu 1500 up']);
  expect((await auditNet()).findings).toEqual([]);
  // Neither is one whose routes stay below, nor one in a bridge of ports that do.
  await ipBatch(NEAR, ['route add 10.9.9.0/24 dev t0 mtu 1450']);
  expect((await auditNet()).findings).toEqual([]);
  await ipBatch(NEAR, [
    'route del 10.9.9.0/24 dev t0',
    'link add b0 type bridge',
    'link add p0 mtu 1450 type veth peer name p1 mtu 1450',
    ...['t0', 'p0'].map((name) => `link set ${name} master b0`),
    'address add 10.9.9.1/24 dev p1',
    ...['b0', 'p0', 'p1'].map((name) => `link set ${name} up`),
  ]);
  expect((await auditNet()).findings).toEqual([]);
  await ipBatch(NEAR, ['link set p0 mtu 1500', 'link set p1 mtu 1500']);
  const { findings } = await auditNet();
  await ipBatch(NEAR, ['link del b0', 'link del p0']);
  expect(findings.map(({ id, dev }) => `${id} ${dev}`)).toEqual(['tunnel-mtu-above-underlay t0']);
});

it('a tunnel that was moved is routed where it was made', async () => {
  const inner = 'hs-mtu-inner';
  await runCommand('ip', ['netns', 'add', inner]);
  try {
    await ipBatch(NEAR, [
      `link add t0 mtu 1500 type vxlan id 7 dstport 4789 ${V4}`,
      `link set t0 netns ${inner}`,
    ]);
    await ipBatch(inner, [...UP]);
    const { findings } = await auditNet();
    expect(findings).toMatchObject([
      {
        ...{ id: 'tunnel-mtu-above-underlay', netns: inner, dev: 't0' },
        ...{ peer: { netns: NEAR, dev: 'up0' }, expected: { mtu: 1450 } },
        remedy: `ip -n ${inner} link set dev t0 mtu 1450`,
      },
    ]);
  } finally {
    await runCommand('ip', ['netns', 'del', inner]);
  }
});

describe('nopmtudisc', async () => {
  const missing = await hasLink('gre', `link add t0 type gre ${V4} nopmtudisc`);

  it.skipIf(missing !== null)(missing ?? 'of one that fits is a warning', async () => {
    await ipBatch(NEAR, [`link add t0 type gre ${V4} nopmtudisc`, ...UP]);
    const { findings } = await auditNet();
    expect(findings).toMatchObject([
      { id: 'nopmtudisc', severity: 'warning', netns: NEAR, dev: 't0' },
    ]);
    // The remedy is a command that works.
    await runCommand('sh', ['-c', findings[0]?.remedy ?? 'false']);
    expect((await auditNet()).findings).toEqual([]);
  });

  it.skipIf(missing !== null)('of one that is too large is an error', async () => {
    await ipBatch(NEAR, [`link add t0 type gre ${V4} nopmtudisc`, 'link set t0 mtu 1490', ...UP]);
    const { findings } = await auditNet();
    expect(findings.map(({ id, severity }) => `${severity} ${id}`)).toEqual([
      'error tunnel-mtu-above-underlay',
      'error nopmtudisc',
    ]);
  });

  it.skipIf(missing !== null)('ignore-df cuts what must not be cut', async () => {
    await ipBatch(NEAR, [`link add t0 type gre ${V4} nopmtudisc ignore-df`, ...UP]);
    const { findings } = await auditNet();
    expect(findings).toMatchObject([{ id: 'nopmtudisc', found: { 'ignore-df': true } }]);
  });
});

describe('a tunnel in a tunnel', async () => {
  const missing = await hasLink('gre', `link add t0 type gre ${V4}`);

  it.skipIf(missing !== null)(missing ?? 'has the tunnel below as its underlay', async () => {
    await ipBatch(NEAR, [
      `link add t1 type gre ${V4}`,
      'address add 10.9.0.1/30 dev t1',
      'link set t1 up',
      'link add t0 mtu 1476 type vxlan id 9 dstport 4789 local 10.9.0.1 remote 10.9.0.2',
      ...UP,
    ]);
    const { findings } = await auditNet();
    await ipBatch(NEAR, ['link del t1']);
    expect(findings).toMatchObject([
      {
        ...{ id: 'tunnel-mtu-above-underlay', netns: NEAR, dev: 't0' },
        ...{ peer: { netns: NEAR, dev: 't1' }, found: { mtu: 1476 }, expected: { mtu: 1426 } },
      },
    ]);
  });
});
