import { describe, expect, it } from 'vitest';
import { calicoIptables, policyIptables } from '../../src/lab/calico-iptables.js';
import { POLICY_CHAIN } from '../../src/lab/calico-policy.js';
import { calicoSets, selectorSet } from '../../src/lab/calico-sets.js';
import { kubeIptables } from '../../src/lab/kube-iptables.js';
import { ipvsIptables, ipvsServers, ipvsSets } from '../../src/lab/kube-ipvs.js';
import { kubeNftables } from '../../src/lab/kube-nftables.js';
import { ENCAPS, type LabShape, PROXIES } from '../../src/lab/options.js';
import { NODES } from '../../src/lab/topology.js';

const SHAPES: readonly LabShape[] = ENCAPS.flatMap((encap) =>
  PROXIES.flatMap((proxy) =>
    [false, true].map((policy) => ({
      encap,
      proxy,
      policy,
      iptables: 'nft' as const,
      crossSubnet: false,
      subnets: 1,
      podMtu: null,
      dualStack: true,
    })),
  ),
);

/** Chains of `iptables-restore` text that rules use and nothing declares, with their table. */
function undeclared(lines: readonly string[]): string[] {
  let table = '';
  const declared = new Set<string>();
  const used = new Set<string>();
  for (const line of lines) {
    if (line.startsWith('*')) table = line;
    const chain = /^:(\S+)/.exec(line)?.[1];
    if (chain !== undefined) declared.add(`${table} ${chain}`);
    for (const [, name] of line.matchAll(/(?:^-A| -[jg]) ((?:cali|KUBE)-\S+)/g)) {
      used.add(`${table} ${name}`);
    }
  }
  return [...used].filter((name) => !declared.has(name));
}

describe.each(SHAPES)('rules with $encap, $proxy, policy $policy', (shape) => {
  it('declare what they jump to, by names the kernel takes', () => {
    for (const node of NODES) {
      for (const family of ['ipv4', 'ipv6'] as const) {
        const lines = [
          ...(shape.proxy === 'ipvs' ? ipvsIptables(family) : kubeIptables(node.name, family)),
          ...calicoIptables(node.name, shape, family),
        ];
        expect(undeclared(lines)).toEqual([]);
        // XT_EXTENSION_MAXNAMELEN - 1, include/uapi/linux/netfilter/x_tables.h.
        const chains = lines.flatMap((line) => /^:(\S+)/.exec(line)?.[1] ?? []);
        expect(chains.filter((chain) => chain.length > 28)).toEqual([]);
        // IPSET_MAXNAMELEN - 1, include/uapi/linux/netfilter/ipset/ip_set.h.
        const sets = [...calicoSets(node, shape, family), ...ipvsSets(node, family)];
        const names = sets.flatMap((line) => /^create (\S+)/.exec(line)?.[1] ?? []);
        expect(names.filter((name) => name.length > 31)).toEqual([]);
        for (const line of lines) {
          const set = /--match-set (\S+)/.exec(line)?.[1];
          if (set !== undefined) expect(names).toContain(set);
        }
      }
    }
  });

  it('have the policy exactly when it is in force', () => {
    const text = calicoIptables('node111', shape, 'ipv4').join('\n');
    expect(text.includes(POLICY_CHAIN)).toBe(shape.policy);
  });
});

describe('policyIptables', () => {
  it('says the same as a lab that is built with the policy', () => {
    const built = new Set(
      calicoIptables('node111', { ...(SHAPES[0] as LabShape), policy: true }, 'ipv4'),
    );
    const switched = policyIptables('node111', true, 'ipv4');
    expect(switched.length).toBeGreaterThan(5);
    expect(switched.filter((line) => !built.has(line))).toEqual([]);
    expect(switched.join('\n')).toContain(`--match-set ${selectorSet('ipv4')} src`);
  });

  it('removes the chain of the policy when it leaves', () => {
    const lines = policyIptables('node112', false, 'ipv4');
    expect(lines).toContain(`-X ${POLICY_CHAIN}`);
    expect(lines.some((line) => line.includes('Drop if no policies passed packet'))).toBe(false);
  });
});

describe('ipvsServers', () => {
  it('balances a local service among local endpoints only, on node ports', () => {
    const [node111, node112] = NODES.map((node) => ipvsServers(node, [node.tunnelIp], false));
    const local = (lines: readonly string[] | undefined) =>
      lines?.filter((line) => line.startsWith('-a') && line.includes(':30081 '));
    expect(local(node111)).toEqual([
      '-a -t 192.168.100.111:30081 -r 10.244.153.201:80 -m -w 1',
      '-a -t 172.18.22.111:30081 -r 10.244.153.201:80 -m -w 1',
      '-a -t 10.244.153.192:30081 -r 10.244.153.201:80 -m -w 1',
    ]);
    expect(local(node112)).toEqual([]);
    expect(node112).toContain('-a -t 10.107.161.4:8080 -r 10.244.153.201:80 -m -w 1');
  });
});

describe('kubeNftables', () => {
  it('defines every chain before it is gone to, and gives no colon to a name', () => {
    for (const node of NODES) {
      for (const family of ['ipv4', 'ipv6'] as const) {
        const lines = kubeNftables(node, family);
        const defined = new Set(lines.flatMap((line) => /^ {2}chain (\S+) /.exec(line)?.[1] ?? []));
        const used = lines.flatMap((line) =>
          [...line.matchAll(/(?:goto|jump) ([^\s,}]+)/g)].map(([, name]) => name ?? ''),
        );
        expect(used.length).toBeGreaterThan(10);
        expect(used.filter((name) => !defined.has(name))).toEqual([]);
        expect([...defined].filter((name) => name.includes(':'))).toEqual([]);
      }
    }
  });
});
