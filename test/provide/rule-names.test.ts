import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { RuleNames } from '../../src/provide/rule-names.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';

/** No node of any lab: rules are read wherever there are some. */
const NETNS = 'hs-prv-rules';
const EMPTY = 'hs-prv-empty';
const TABLE = `table inet firewall {
  chain early { type filter hook forward priority -10; }
  chain jumped-to { counter; }
}
table ip kube-proxy {
  map service-ips {
    type ipv4_addr . inet_proto . inet_service : verdict
    elements = { 10.96.0.10 . udp . 53 : goto service-ABCDEFGH-kube-system/kube-dns/udp/dns }
  }
  chain service-ABCDEFGH-kube-system/kube-dns/udp/dns { }
  chain filter-forward { type filter hook forward priority 0; }
}
`;
const SERVICES = `*nat
:KUBE-SERVICES - [0:0]
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j RETURN
COMMIT
`;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests make namespaces: run them as root').toBe(0);
  for (const name of [NETNS, EMPTY]) await runCommand('ip', ['netns', 'add', name]);
});
afterAll(async () => {
  for (const name of [NETNS, EMPTY]) await runCommand('ip', ['netns', 'del', name]);
});

function found(name: string) {
  const all = [...new NamespaceWatcher().scan().values()].filter((each) => each.name === name);
  expect(all).toHaveLength(1);
  return all;
}

describe('the rules of a namespace', () => {
  const rules = new RuleNames();
  const read = async () => {
    const { services, chains } = await rules.read(found(NETNS));
    return { services, chains: chains.map(({ netns: _, ...chain }) => chain) };
  };

  it('are none, and start no process, where there are none', async () => {
    expect(await read()).toEqual({ services: [], chains: [] });
    await rules.read(found(EMPTY));
    expect(rules.listings).toBe(0);
  });

  it('report what all back ends register at the hooks, and name services; nothing is added', async () => {
    await runIn(NETNS, 'nft', ['-f', '-'], { input: TABLE });
    await runIn(NETNS, 'iptables-nft', ['-A', 'FORWARD', '-j', 'ACCEPT']);
    await runIn(NETNS, 'iptables-nft-restore', ['--noflush'], { input: SERVICES });
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
      const { chains, services } = await read();
      expect(chains).toHaveLength(expected.length);
      expect(chains).toEqual(expect.arrayContaining(expected));
      expect(services).toEqual([
        { name: 'default/kubernetes', ip: '10.96.0.1', port: 443, proto: 'tcp' },
        { name: 'kube-system/kube-dns', ip: '10.96.0.10', port: 53, proto: 'udp' },
      ]);
    }
    // One list for each back end that has services, and none again while the rules are the same.
    expect(rules.listings).toBe(2);
  });

  it('are listed again when they have changed', async () => {
    const more = SERVICES.replace('10.96.0.1/32', '10.96.0.2/32').replace('kubernetes', 'web');
    await runIn(NETNS, 'iptables-nft-restore', ['--noflush'], { input: more });
    const { services } = await read();
    expect(services.map(({ name }) => name)).toContain('default/web');
    expect(rules.missing).toEqual([]);
  });

  it('say nothing of a namespace that has gone', async () => {
    const [one] = found(NETNS);
    const gone = { ...one, path: `/run/netns/${NETNS}-gone` } as NonNullable<typeof one>;
    expect(await rules.read([gone])).toEqual({
      ...{ namespaces: [], endpoints: [], services: [], chains: [] },
    });
  });
});

describe('a listing that fails', () => {
  it('is tried again, though the rules have not changed', async () => {
    const rules = new RuleNames();
    const { PATH } = process.env;
    const folder = mkdtempSync(join(tmpdir(), 'hopscope-rule-names-'));
    for (const tool of ['iptables-nft-save', 'nft']) {
      writeFileSync(join(folder, tool), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    }
    const names = async (): Promise<string[]> => {
      const { services } = await rules.read(found(NETNS));
      return services.map(({ name }) => name);
    };
    process.env['PATH'] = `${folder}:${PATH}`;
    try {
      expect(await names()).toEqual([]);
      process.env['PATH'] = PATH;
      expect(await names()).toContain('default/web');
      // What is known stays, and is not listed again.
      const { listings } = rules;
      expect(await names()).toContain('default/web');
      expect(rules.listings).toBe(listings);
    } finally {
      process.env['PATH'] = PATH;
      rmSync(folder, { recursive: true });
    }
  });
});
