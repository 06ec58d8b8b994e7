import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Packet } from '../../src/rules/packet.js';
import { endOf, explain, packet, understood } from './understood.js';

const read = (name: string): string =>
  readFileSync(new URL(`./kube-proxy-1.37/${name}`, import.meta.url), 'utf8');

const POD = '10.244.153.204:40000';
const OUTSIDE = '172.20.151.77:40000';
const LOCAL_END = { dst: endOf('10.244.153.201:80').address, dport: 80 };
const OTHER_END = { dst: endOf('10.244.146.205:80').address, dport: 80 };

describe('the rules of kube-proxy 1.37 in iptables mode', () => {
  const rules = understood(['iptables-nft', read('iptables-save.txt')]);

  it('are all understood', () => {
    expect(rules.problems).toEqual([]);
    for (const { chains } of rules.tables) {
      for (const { rules: list } of chains.values()) {
        for (let i = 0; i < list.length; i++) {
          expect(list.at(i).steps.filter(({ kind }) => kind === 'unknown')).toEqual([]);
        }
      }
    }
  });

  it('chance is settled by the endpoint that was chosen', () => {
    expect(explain(rules, 'prerouting', packet(POD, '10.107.161.255:8080'), LOCAL_END)).toEqual([
      'PREROUTING jump KUBE-SERVICES [follows] kubernetes service portals',
      'KUBE-SERVICES jump KUBE-SVC-6IM33IEVEEV7U3GP [follows] to the cluster IP of default/nginx-service',
      'KUBE-SVC-6IM33IEVEEV7U3GP jump KUBE-SEP-YSMLP7BT7UL3MVFR [follows] picked endpoint 2 of 2 of default/nginx-service: 10.244.153.201:80',
      'KUBE-SEP-YSMLP7BT7UL3MVFR dnat 10.244.153.201:80 [seen] default/nginx-service: dnat 10.244.153.201:80',
    ]);
  });

  it('without what was seen it is one of two', () => {
    const met = explain(rules, 'prerouting', packet(POD, '10.107.161.255:8080'), null);
    expect(met.filter((line) => line.includes('[one-of 2]'))).toHaveLength(4);
  });

  it('from outside it is marked to be masqueraded', () => {
    const sent = packet(OUTSIDE, '192.168.100.111:30080');
    const met = explain(rules, 'prerouting', sent, { ...OTHER_END, mark: 0x4000 });
    expect(met).toContain('KUBE-MARK-MASQ mark 0x4000 [seen] marked to be masqueraded');
    expect(met.at(-1)).toMatch(/^KUBE-SEP-UBPZ2CRURPBDXLVU dnat 10\.244\.146\.205:80 \[seen\]/);
  });

  it('with session affinity two rules may have picked the same endpoint', () => {
    const sent = packet(POD, '10.107.161.11:80');
    const met = explain(rules, 'prerouting', sent, OTHER_END);
    // By affinity or by chance: which of the two nobody saw.
    expect(met.filter((line) => line.startsWith('KUBE-SVC-BJWR5DPVIKTHVKZU'))).toHaveLength(2);
    expect(met.at(-1)).toMatch(/^KUBE-SEP-PRL2KQAE7HN54JSC dnat .* \[seen\]/);
  });

  it('a service without endpoints is rejected', () => {
    const sent = packet(POD, '10.107.161.12:80', 6, { outgoing: 'eth0' });
    expect(explain(rules, 'forward', sent, 'dropped').at(-1)).toBe(
      'KUBE-SERVICES reject with icmp-port-unreachable [seen] rejected: default/no-endpoints has no endpoints',
    );
  });

  it('what no way agrees with is said to be unknown, and no rule is named', () => {
    const elsewhere = { dst: endOf('10.9.9.9:80').address, dport: 80 };
    expect(explain(rules, 'prerouting', packet(POD, '10.107.161.255:8080'), elsewhere)).toEqual([
      'PREROUTING unknown [unknown] no way through the rules that were read agrees with what was seen',
    ]);
  });

  it('nat is not asked again for a known connection', () => {
    const tracked = {
      ...({ state: 'established', isReply: false, isSnat: false, isDnat: true } as const),
      ...{ isNatSettled: true, original: null, reply: null },
    } satisfies Packet['tracked'];
    const sent = packet(POD, '10.107.161.255:8080', 6, { tracked, isTrackedHere: false });
    expect(explain(rules, 'prerouting', sent, LOCAL_END)).toEqual([]);
  });
});

describe('the rules of kube-proxy 1.37 in nftables mode', () => {
  const rules = understood(['nft', read('nft-json.txt')]);

  it('name the service by the chain that a verdict map leads to', () => {
    expect(rules.problems).toEqual([]);
    const met = explain(rules, 'prerouting', packet(POD, '10.107.161.255:8080'), LOCAL_END);
    expect(met).toContain(
      'services goto service-PIOJ4VP5-default/nginx-service/tcp/http [follows] to default/nginx-service',
    );
    expect(met).toContain(
      'service-PIOJ4VP5-default/nginx-service/tcp/http dnat 10.244.153.201:80 [seen] picked an endpoint of default/nginx-service: dnat 10.244.153.201:80',
    );
  });

  it('name it by the comment of the element alone where there are no endpoints', () => {
    const sent = packet(POD, '10.107.161.12:80', 6, { outgoing: 'eth0' });
    const met = explain(rules, 'forward', sent, 'dropped');
    expect(met).toContain(
      'service-endpoints-check goto reject-chain [follows] default/no-endpoints has no endpoints: goto reject-chain',
    );
    expect(met.at(-1)).toBe('reject-chain reject with icmp port-unreachable [seen]');
  });

  it('a set that packets add to is not known', () => {
    const met = explain(rules, 'prerouting', packet(POD, '10.107.161.11:80'), OTHER_END);
    expect(met.at(-2)).toMatch(/^endpoint-TZH3GANM\S+ set \[follows\]/);
    expect(met.at(-1)).toMatch(/^endpoint-TZH3GANM\S+ dnat 10\.244\.146\.205:80 \[seen\]/);
  });
});
