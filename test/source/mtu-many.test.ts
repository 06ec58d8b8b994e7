import { afterAll, beforeAll, expect, it } from 'vitest';
import { ipBatch, runCommand, setSysctls } from '../../src/lab/run-command.js';
import { audit } from '../../src/mtu/audit.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';
import { readNetwork } from '../../src/source/network-reader.js';

const NODE = 'hs-many-node';
const PODS = 499;
const names = Array.from({ length: PODS }, (_, i) => `hs-many-${i}`);
/** Processor time of one audit, ms: other programs of the machine do not change it. */
const CPU_LIMIT_MS = 2_000;

const addressOf = (i: number) => `10.0.${i >> 8}.${i & 255}`;

beforeAll(async () => {
  await removeMany();
  await ipBatch(null, [
    ...[NODE, ...names].map((name) => `netns add ${name}`),
    ...names.map(
      (name, i) => `link add v${i} netns ${NODE} type veth peer name eth0 netns ${name}`,
    ),
  ]);
  await setSysctls(NODE, ['net/ipv4/ip_forward=1']);
  await ipBatch(NODE, [
    'link add vx0 mtu 1450 type vxlan id 42 dstport 4789 local 192.0.2.1 remote 192.0.2.2',
    'link add up0 type veth peer name up1',
    'address add 192.0.2.1/24 dev up0',
    ...['up0', 'up1', 'vx0'].map((name) => `link set ${name} up`),
    'route add 10.1.0.0/16 via 10.9.0.2 dev vx0 onlink',
    ...names.flatMap((_, i) => [`link set v${i} up`, `route add ${addressOf(i)} dev v${i}`]),
  ]);
  for (const [i, name] of names.entries()) {
    await ipBatch(name, [
      `address add ${addressOf(i)}/32 dev eth0`,
      'link set eth0 up',
      'route add 169.254.1.1 dev eth0 scope link',
      'route add default via 169.254.1.1',
    ]);
  }
});
afterAll(removeMany);

async function removeMany(): Promise<void> {
  const listed = await runCommand('ip', ['netns', 'list']);
  const there = listed.split('\n').map((line) => line.split(' ')[0] ?? '');
  const own = there.filter((name) => name.startsWith('hs-many-'));
  await ipBatch(
    null,
    own.map((name) => `netns del ${name}`),
  );
}

it('500 namespaces in 2 s; reading them does not hold this process up', async () => {
  const found = [...new NamespaceWatcher().scan(true).values()].filter(({ name }) =>
    name?.startsWith('hs-many-'),
  );
  expect(found).toHaveLength(PODS + 1);
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const before = process.cpuUsage();
  const started = performance.now();
  const description = await readNetwork(found, NamespaceWatcher.own().netns);
  clearInterval(timer);
  const read = performance.now();
  const { findings, ways, leftOut } = audit(description);
  const { user, system } = process.cpuUsage(before);
  const judged = performance.now();
  const cpu = (user + system) / 1000;
  const figures = Object.entries({ read: read - started, judged: judged - read, cpu, longest })
    .map(([what, ms]) => `${what} ${Math.round(ms)} ms`)
    .join(', ');
  expect(description.problems).toEqual([]);
  expect(leftOut.ways).toBe(0);
  // Each pod is above the tunnel, and each is found.
  expect(ways.length).toBeGreaterThanOrEqual(PODS);
  const above = findings.filter(({ id }) => id === 'pod-mtu-above-tunnel');
  expect(above).toHaveLength(PODS);
  expect(findings).toHaveLength(PODS);
  expect(cpu, figures).toBeLessThan(CPU_LIMIT_MS);
  expect(longest, figures).toBeLessThan(500);
});
