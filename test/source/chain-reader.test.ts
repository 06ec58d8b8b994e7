import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { readBaseChains } from '../../src/source/chain-reader.js';

const NETNS = 'hs-src-chains';
const TABLE = `table inet firewall {
  chain early { type filter hook forward priority -10; }
  chain jumped-to { counter; }
}
table ip kube-proxy {
  chain filter-forward { type filter hook forward priority 0; }
}
`;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests make namespaces: run them as root').toBe(0);
  await runCommand('ip', ['netns', 'add', NETNS]);
});
afterAll(async () => {
  await runCommand('ip', ['netns', 'del', NETNS]);
});

it('finds what both back ends and nft itself hang on the hooks, and adds nothing', async () => {
  const path = `/run/netns/${NETNS}`;
  expect(await readBaseChains(path)).toEqual([]);
  await runIn(NETNS, 'nft', ['-f', '-'], { input: TABLE });
  await runIn(NETNS, 'iptables-nft', ['-A', 'FORWARD', '-j', 'ACCEPT']);
  await runIn(NETNS, 'ip6tables-legacy', ['-t', 'raw', '-A', 'OUTPUT', '-j', 'ACCEPT']);
  const forward = { family: 'ipv4', hook: 'forward', priority: 0 };
  const raw = { family: 'ipv6', priority: -300, table: 'raw' };
  const expected = [
    { family: 'ipv4', hook: 'forward', priority: -10, table: 'firewall' },
    { family: 'ipv6', hook: 'forward', priority: -10, table: 'firewall' },
    { ...forward, table: 'kube-proxy' },
    { ...forward, table: 'filter' },
    { ...raw, hook: 'prerouting' },
    { ...raw, hook: 'output' },
  ];
  for (const _ of ['first', 'again']) {
    const chains = await readBaseChains(path);
    expect(chains).toHaveLength(expected.length);
    expect(chains).toEqual(expect.arrayContaining(expected));
  }
});

it('finds nothing in a namespace that has gone', async () => {
  expect(await readBaseChains(`/run/netns/${NETNS}-gone`)).toEqual([]);
});
