import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import type { Finding } from '../../src/mtu/faults/finding.js';
import {
  A,
  auditNet,
  INNER,
  makeAuditedNet,
  P1,
  POD2,
  removeAuditedNet,
  setPodMtu,
} from './audited-net.js';

beforeAll(makeAuditedNet);
afterAll(removeAuditedNet);

async function nft(rules: string): Promise<void> {
  // Its grammar wants the end of a line before the end of a chain.
  const lines = rules.replaceAll('; }', ';\n}\n').replaceAll('};', '}\n');
  await runIn(A, 'nft', ['-f', '-'], { input: `flush ruleset\n${lines}\n` });
}

const run = (line: string) => runIn(A, 'sh', ['-c', line]);
const found = async (): Promise<readonly Finding[]> => (await auditNet()).findings;

afterEach(async () => {
  await nft('');
  for (const table of ['filter', 'mangle']) {
    await runIn(A, 'iptables-legacy', ['-t', table, '-F']).catch(() => '');
  }
});

describe('icmp-dropped', () => {
  const drop = '-p icmp -m icmp --icmp-type 3/4 -j DROP';

  it.each(['iptables-nft', 'iptables-legacy'])('by a rule of %s', async (tool) => {
    await run(`${tool} -A FORWARD ${drop}`);
    expect(await found()).toMatchObject([
      {
        ...{ id: 'icmp-dropped', severity: 'warning', netns: A, dev: null, peer: null },
        found: { rule: `-A FORWARD ${drop}`, hook: 'forward' },
        ...{ expected: { accepted: 'ICMP fragmentation needed' }, evidence: ['rule'] },
        remedy: `ip netns exec ${A} ${tool} -t filter -D FORWARD ${drop}`,
      },
    ]);
    // The remedy is a command that works.
    await runIn(A, 'sh', ['-c', `${tool} -t filter -D FORWARD ${drop}`]);
    expect(await found()).toEqual([]);
  });

  it.each([
    'chain c { type filter hook forward priority 0; icmp type destination-unreachable drop; }',
    'chain c { type filter hook forward priority 0; meta l4proto icmp drop; }',
    'chain c { type filter hook input priority 0; iifname "up0" icmp type { echo-reply, destination-unreachable } drop; }',
    'chain c { type filter hook input priority 0; policy drop; tcp dport 22 ct state new drop; ct state established accept; }',
    'chain d { icmp code frag-needed drop; }; chain c { type filter hook forward priority 0; ip saddr 10.0.0.0/8 jump d; }',
    'chain c { type filter hook prerouting priority raw; ct state vmap { invalid : accept, related : drop }; }',
  ])('by nftables: %s', async (chain) => {
    await nft(`table inet t { ${chain} }`);
    const findings = await found();
    expect(findings.map(({ id, netns }) => `${id} ${netns}`)).toEqual([`icmp-dropped ${A}`]);
    const [{ remedy } = { remedy: '' }] = findings;
    await runIn(A, 'sh', ['-c', remedy.replace(`ip netns exec ${A} `, '')]);
    expect(await found()).toEqual([]);
  });

  it.each([
    // Errors of known connections are accepted first.
    'chain c { type filter hook forward priority 0; policy drop; ct state established,related accept; }',
    'chain c { type filter hook forward priority 0; policy drop; ct state vmap { established : accept, related : accept }; }',
    'chain d { ct state related accept; }; chain c { type filter hook input priority 0; policy drop; jump d; }',
    // Other errors, other protocols, another state.
    'chain c { type filter hook forward priority 0; icmp type echo-request drop; }',
    'chain c { type filter hook forward priority 0; icmp code host-unreachable drop; }',
    'chain c { type filter hook forward priority 0; ct state invalid drop; udp dport 53 drop; }',
    'chain c { type filter hook forward priority 0; ct state new drop; }',
    // Whether the addresses are those of an error is not known.
    'chain c { type filter hook forward priority 0; policy drop; ip saddr 10.0.0.0/8 accept; }',
    'chain c { type filter hook forward priority 0; ip saddr 203.0.113.9 drop; }',
    // Nothing comes in by it but its own.
    'chain c { type filter hook input priority 0; iifname "lo" icmp type destination-unreachable drop; }',
  ])('not by nftables: %s', async (chain) => {
    await nft(`table inet t { ${chain} }`);
    expect(await found()).toEqual([]);
  });

  it('not by rules as kube-proxy and a CNI have them', async () => {
    const rules = [
      ...['*filter', ':FORWARD DROP', ':KUBE-FORWARD -', ':cali-FORWARD -', ':pod -'],
      '-A FORWARD -m comment --comment "a b -j DROP" -j cali-FORWARD',
      '-A FORWARD -j KUBE-FORWARD',
      '-A cali-FORWARD -i pod0 -j pod',
      '-A pod -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A pod -j DROP',
      '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
      '-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
      '-A KUBE-FORWARD ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
      ...['COMMIT', ''],
    ];
    await runIn(A, 'iptables-restore', [], { input: rules.join('\n') });
    expect(await found()).toEqual([]);
  });
});

describe('where errors are dropped and pods send more than the tunnel takes', () => {
  beforeEach(async () => {
    await setPodMtu(1500);
    await run('iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP');
  });
  afterEach(() => setPodMtu(INNER));

  const others = async () => {
    const ids = new Set(['icmp-dropped', 'pod-mtu-above-tunnel']);
    const findings = await found();
    expect(findings.filter(({ id }) => id === 'icmp-dropped')).toMatchObject([
      { severity: 'error', netns: A },
    ]);
    return findings.filter(({ id }) => !ids.has(id));
  };

  it('mss-not-clamped, until a rule clamps it', async () => {
    // The kernel drops it, and says nothing.
    const sent = runIn(P1, 'ping', ['-c1', '-W1', '-Mdo', '-s1472', POD2]);
    await expect(sent).rejects.toThrow(/100% packet loss|ping/);
    expect(await runIn(P1, 'ip', ['route', 'get', POD2])).not.toContain('mtu');
    expect(await others()).toMatchObject([
      {
        ...{ id: 'mss-not-clamped', severity: 'error', netns: A, dev: 'pod0' },
        peer: { netns: A, dev: 'vx0' },
        ...{ found: { mss: 1460 }, expected: { mss: 1410 }, evidence: ['device', 'rule'] },
      },
    ]);
    await run(
      'iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
    );
    expect(await others()).toEqual([]);
  });

  it('mss-too-big, and one that fits', async () => {
    const clamp =
      'iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss';
    await run(`${clamp} 1440`);
    expect(await others()).toMatchObject([
      {
        ...{ id: 'mss-too-big', severity: 'error', netns: A, dev: 'pod0' },
        ...{ found: { mss: 1440 }, expected: { mss: 1410 } },
      },
    ]);
    await run(`iptables -t mangle -F && ${clamp} 1410`);
    expect(await others()).toEqual([]);
  });

  it('by nftables too', async () => {
    const chain = 'chain m { type filter hook forward priority mangle;';
    const clamp = 'tcp flags syn tcp option maxseg size set';
    // An own drop: those of iptables go with the flush.
    const drop = 'chain o { type filter hook output priority 0; icmp code frag-needed drop; }';
    await nft(`table inet t { ${drop} ${chain} ${clamp} 1430; } }`);
    expect((await others()).map(({ id }) => id)).toEqual(['mss-too-big']);
    await nft(`table inet t { ${drop} ${chain} ${clamp} rt mtu; } }`);
    expect(await others()).toEqual([]);
  });
});
