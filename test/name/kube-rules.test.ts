import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { servicesFromRules } from '../../src/name/kube-rules.js';

/** What iptables-save printed of a node of the reference cluster. */
function saved(name: string): string {
  return readFileSync(new URL(`rules/${name}.txt`, import.meta.url), 'utf8');
}

const NODE_PORTS = [
  { name: 'default/nginx-service', ip: null, port: 30080, proto: 'tcp' },
  { name: 'default/nginx-local', ip: null, port: 30081, proto: 'tcp' },
  { name: 'default/nginx-pod2', ip: null, port: 30082, proto: 'tcp' },
  { name: 'default/nginx-pod3', ip: null, port: 30083, proto: 'tcp' },
];

it.each(['nft', 'legacy'])('finds every service in what the %s back end saves', (backEnd) => {
  expect(servicesFromRules(saved(`node111-nat.${backEnd}`))).toEqual([
    ...NODE_PORTS,
    { name: 'default/nginx-service', ip: '10.107.161.255', port: 8080, proto: 'tcp' },
    { name: 'default/nginx-local', ip: '10.107.161.4', port: 8080, proto: 'tcp' },
    { name: 'default/nginx-pod2', ip: '10.107.161.2', port: 8080, proto: 'tcp' },
    { name: 'default/nginx-pod3', ip: '10.107.161.3', port: 8080, proto: 'tcp' },
  ]);
});

it('finds services with IPv6 addresses', () => {
  const services = servicesFromRules(saved('node111-nat-v6.nft'));
  expect(services.map(({ name }) => name).sort()).toEqual(
    [...NODE_PORTS, ...NODE_PORTS].map(({ name }) => name).sort(),
  );
  expect(services.filter(({ ip }) => ip === null)).toEqual(NODE_PORTS);
  for (const { ip } of services.filter(({ ip }) => ip !== null)) {
    expect(ip).toMatch(/^[0-9a-f:]+$/);
  }
});

describe('a rule', () => {
  const RULE =
    '-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment "default/kubernetes:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-NPX46M4PTMTKRN6Y';
  const service = { name: 'default/kubernetes', ip: '10.96.0.1', port: 443, proto: 'tcp' };

  it('names the service without its port', () => {
    expect(servicesFromRules(RULE)).toEqual([service]);
  });

  it('may be of UDP or SCTP, the same address and port being two services', () => {
    const others = ['udp', 'sctp'].map((proto) =>
      RULE.replaceAll(/-([pm]) tcp/g, `-$1 ${proto}`).replace('kubernetes:https', `dns:${proto}`),
    );
    expect(servicesFromRules([RULE, ...others].join('\n'))).toEqual([
      service,
      { ...service, name: 'default/dns', proto: 'udp' },
      { ...service, name: 'default/dns', proto: 'sctp' },
    ]);
  });

  it('may have a comment of one word, which is saved without quotes', () => {
    const rule = RULE.replace('"default/kubernetes:https cluster IP"', 'default/kubernetes:https');
    expect(servicesFromRules(rule)).toEqual([service]);
  });

  it('may have an IPv6 address', () => {
    const rule = RULE.replace('10.96.0.1/32', 'fd00:10:96::1/128');
    expect(servicesFromRules(rule)).toEqual([{ ...service, ip: 'fd00:10:96::1' }]);
  });

  it('that masquerades is no service of its own', () => {
    // As kube-proxy wrote it into this chain itself before 1.24.
    const masquerade = RULE.replace('KUBE-SERVICES ', 'KUBE-SERVICES ! -s 10.244.0.0/16 ');
    expect(servicesFromRules(masquerade)).toEqual([]);
  });

  it.each([
    ['no port', RULE.replace('--dport 443', '')],
    ['a port that is none', RULE.replace('--dport 443', '--dport 65536')],
    ['an address that is none', RULE.replace('10.96.0.1', '10.96.0')],
    ['no protocol', RULE.replace('-p tcp ', '')],
    ['no address', RULE.replace('-d 10.96.0.1/32 ', '')],
    ['a range of addresses', RULE.replace('/32', '/24')],
    ['no comment', RULE.replace(/-m comment --comment "[^"]*" /, '')],
    ['a comment that names none', RULE.replace('default/kubernetes:https cluster IP', 'text')],
    ['another chain', RULE.replace('KUBE-SERVICES', 'KUBE-SEP-NPX46M4PTMTKRN6Y')],
  ])('with %s is left out', (_, rule) => {
    expect(rule).not.toBe(RULE);
    expect(servicesFromRules(rule)).toEqual([]);
  });
});

it.each(['', '\n\n', '*nat\nCOMMIT\n', '-A KUBE-SERVICES', '\0\xff'])(
  'finds none in %j',
  (text) => {
    expect(servicesFromRules(text)).toEqual([]);
  },
);
