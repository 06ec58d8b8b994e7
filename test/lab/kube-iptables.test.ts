import { describe, expect, it } from 'vitest';
import { chainHash, kubeIptables } from '../../src/lab/kube-iptables.js';

describe('chainHash', () => {
  // The chains that every cluster has for its API server and its DNS.
  it.each([
    ['default/kubernetes:https', 'tcp', 'NPX46M4PTMTKRN6Y'],
    ['kube-system/kube-dns:dns', 'udp', 'TCOU7JCQXEZGVUNU'],
    ['kube-system/kube-dns:dns-tcp', 'tcp', 'ERIFXISQEP7F7OF4'],
  ])('names the chain of %s as kube-proxy does', (service, protocol, hash) => {
    expect(chainHash(service, protocol)).toBe(hash);
  });
});

describe('kubeIptables', () => {
  const lines = kubeIptables('node111', 'ipv4');

  it('declares every chain it jumps to, and fits every name in what iptables allows', () => {
    let table = '';
    const declared = new Set<string>();
    const used = new Set<string>();
    for (const line of lines) {
      if (line.startsWith('*')) table = line;
      const chain = /^:(\S+)/.exec(line)?.[1];
      if (chain !== undefined) declared.add(`${table} ${chain}`);
      const target = / -j (KUBE-\S+)/.exec(line)?.[1];
      if (target !== undefined) used.add(`${table} ${target}`);
    }
    expect([...used].filter((name) => !declared.has(name))).toEqual([]);
    for (const name of declared) expect(name.split(' ')[1]?.length).toBeLessThanOrEqual(28);
  });

  it('picks among n endpoints with 1/n, then with the rest', () => {
    const picks = lines.filter((line) => line.includes('default/nginx-service -> '));
    expect(picks.map((line) => /--probability (\S+)/.exec(line)?.[1])).toEqual([
      '0.50000000000',
      undefined,
    ]);
  });

  it('drops a local service where no endpoint is local, and nowhere else', () => {
    const words = 'has no local endpoints';
    expect(lines.filter((line) => line.includes(words))).toEqual([]);
    const other = kubeIptables('node112', 'ipv4').filter((line) => line.includes(words));
    expect(other).toEqual([
      '-A KUBE-EXTERNAL-SERVICES -p tcp -m comment --comment ' +
        '"default/nginx-local has no local endpoints" -m addrtype --dst-type LOCAL ' +
        '-m tcp --dport 30081 -j DROP',
    ]);
  });
});
