import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calicoIptables } from '../../src/lab/calico-iptables.js';
import { calicoSets } from '../../src/lab/calico-sets.js';
import { kubeIptables } from '../../src/lab/kube-iptables.js';
import { ipvsIptables, ipvsSets } from '../../src/lab/kube-ipvs.js';
import { ENCAPS, type LabShape, PROXIES } from '../../src/lab/options.js';
import { runIn } from '../../src/lab/run-command.js';
import { NODES } from '../../src/lab/topology.js';
import { readNftTables } from '../../src/source/nft-rules-reader.js';
import { run } from '../cli/command-line.js';
import { nth } from '../fixtures/joined.js';

const NETNS = 'hs-nft-rules';
const PATH = `/run/netns/${NETNS}`;
const NODE = nth(NODES, 0);
const SETS = ['create hosts hash:ip family inet', 'create ports hash:ip,port family inet'];

beforeAll(async () => {
  await run('ip', ['netns', 'add', NETNS]);
  await runIn(NETNS, 'ipset', ['restore'], { input: `${SETS.join('\n')}\n` });
});
afterAll(() => run('ip', ['netns', 'del', NETNS]));

/** Rules of each chain, as a text of `iptables-save` has them. */
function chainsOf(text: string): Map<string, string[]> {
  const chains = new Map<string, string[]>();
  let table = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) table = line.slice(1);
    const chain = /^-A (\S+)/.exec(line)?.[1] ?? /^:(\S+) (?!ACCEPT)/.exec(line)?.[1];
    if (chain === undefined) continue;
    const key = `${table} ${chain}`;
    const rules = chains.get(key) ?? [];
    chains.set(key, rules);
    rules.push(line.replace(/ \[\d+:\d+\]$/, ''));
  }
  return chains;
}

interface Read {
  readonly own: ReadonlyMap<string, string[]>;
  readonly tool: ReadonlyMap<string, string[]>;
  readonly left: readonly string[];
}

async function readBoth(family: 4 | 6, tables: readonly string[]): Promise<Read> {
  const command = family === 4 ? 'iptables' : 'ip6tables';
  const saved = await runIn(NETNS, `${command}-nft-save`, []);
  const read = await readNftTables(PATH, family, tables);
  const own = new Map<string, string[]>();
  const left: string[] = [];
  for (const [name, text] of read) {
    if (text === null) left.push(name);
    else for (const [chain, rules] of chainsOf(text.pieces.join('\n'))) own.set(chain, rules);
  }
  return { own, tool: chainsOf(saved), left };
}

async function expectSame(family: 4 | 6, text: string): Promise<void> {
  const command = family === 4 ? 'iptables' : 'ip6tables';
  await runIn(NETNS, 'nft', ['flush', 'ruleset']);
  await runIn(NETNS, `${command}-nft-restore`, [], { input: text });
  const tables = [...text.matchAll(/^\*(\S+)/gm)].map(([, name]) => name ?? '');
  const { own, tool, left } = await readBoth(family, tables);
  expect(left).toEqual([]);
  expect(Object.fromEntries(own)).toEqual(Object.fromEntries(tool));
}

const filter = (...rules: readonly string[]): string =>
  ['*filter', ':FORWARD DROP [0:0]', ':X - [0:0]', ...rules, 'COMMIT', ''].join('\n');
const table = (name: string, chain: string, ...rules: readonly string[]): string =>
  [
    `*${name}`,
    `:${chain} ACCEPT [0:0]`,
    ...rules.map((rule) => `-A ${chain} ${rule}`),
    'COMMIT',
    '',
  ].join('\n');

describe('tables of iptables in nf_tables are read as iptables-nft-save writes them', () => {
  it.each([
    '-s 10.0.0.0/8 -d 10.1.0.0/16 -j X',
    '! -s 10.0.0.0/9 -d 10.1.2.3/32 -i eth0 ! -o cali+ -g X',
    '-s 10.0.0.0/255.0.0.255 -j ACCEPT',
    '-p tcp -m tcp --dport 80 -j DROP',
    '-p tcp -m tcp ! --dport 80 --sport 1000:2000 -j RETURN',
    '-p tcp -m tcp --sport 5 --dport 80',
    '-p udp -m udp --dport 0:80',
    '-p udp -m udp ! --dport 1000:65535',
    '-p udp -m udp --dport 1001:',
    '-p udp -m udp --sport 1000:',
    '-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m tcp --dport 9',
    '-p tcp -m tcp ! --tcp-flags ALL NONE',
    '-p tcp -m tcp --tcp-option 5 --dport 7',
    '-p tcp -m tcp',
    '-p sctp -m sctp --dport 9',
    '-p tcp -m mark ! --mark 0x1/0x3 -m comment --comment "a \\"b\\" -j X" -m tcp --dport 1',
    '-m mark --mark 0x1',
    '-m connmark ! --mark 0x10/0xf0',
    '-m comment --comment word -m comment --comment "default/nginx:http cluster IP"',
    '-m limit --limit 5/min -j LOG --log-prefix "x y" --log-level 6 --log-uid',
    '-m limit --limit 100/sec --limit-burst 7',
    '-m limit --limit 3/day',
    '-m limit --limit 7/hour',
    '-m ttl --ttl-lt 4',
    '-m ttl --ttl-eq 4',
    '-m ttl ! --ttl-eq 4',
    '-f -p 47',
    '! -f',
    '! -p icmp',
    '-p icmp -m icmp --icmp-type 3/4',
    '-p icmp -m icmp ! --icmp-type 8',
    '-p icmp -m icmp --icmp-type any',
    '-m set --match-set ports dst,dst -m set ! --match-set hosts src',
    '-j NFLOG --nflog-group 3 --nflog-prefix "a b"',
    '-j NFLOG --nflog-threshold 5',
    '-j REJECT',
    '-p tcp -j REJECT --reject-with tcp-reset',
    '-j REJECT --reject-with icmp-admin-prohibited',
    '-p tcp -m multiport ! --dports 1,2:3,5',
    '-p udp -m multiport --ports 53,80',
    '-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    '-m conntrack ! --ctstate INVALID,NEW,UNTRACKED,SNAT,DNAT --ctdir REPLY',
    '-m state --state NEW',
    '-m addrtype ! --src-type LOCAL --dst-type BROADCAST,MULTICAST',
    '-m addrtype --dst-type LOCAL --limit-iface-in',
    '-m statistic --mode random --probability 0.33333333349',
    '-m statistic --mode random ! --probability 0.25',
    '-m statistic --mode nth --every 3 --packet 1',
    '-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-X --mask 255.255.255.255 --rsource',
    '-m recent ! --update --seconds 5 --hitcount 3 --rttl --name x --mask 255.255.255.0 --rdest',
    '-m recent --set --name x',
    '-m physdev --physdev-in veth+ ! --physdev-out eth0',
    '-m physdev ! --physdev-is-bridged',
    '-m length --length 100',
    '-m length ! --length 100:1500',
    '-m iprange --src-range 10.0.0.1-10.0.0.9 ! --dst-range 10.1.0.1-10.1.0.2',
    '-m comment --comment nothing',
  ])('%s', async (rule) => {
    await expectSame(4, filter(`-A FORWARD ${rule}`));
  });

  it.each(
    [
      '-j DNAT --to-destination 10.0.0.1:80',
      '-p tcp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90 --random --persistent',
      '-p tcp -j DNAT --to-destination :8080',
      '-p tcp -j REDIRECT --to-ports 80',
      '-p udp -j REDIRECT --to-ports 80-90 --random',
      '-j REDIRECT',
    ].map((rule) =>
      rule.startsWith('-j DNAT --to-destination 10.0.0.1:80') ? `-p tcp ${rule}` : rule,
    ),
  )('nat: %s', async (rule) => {
    await expectSame(4, table('nat', 'PREROUTING', rule));
  });

  it.each([
    '-j MASQUERADE',
    '-j MASQUERADE --random-fully',
    '-p tcp -j MASQUERADE --to-ports 1000-2000 --random',
    '-j SNAT --to-source 10.0.0.1-10.0.0.3',
    '-p tcp -j SNAT --to-source 10.0.0.1:80-90 --random-fully --persistent',
  ])('nat: %s', async (rule) => {
    await expectSame(4, table('nat', 'POSTROUTING', rule));
  });

  it.each([
    '-j MARK --set-xmark 0x4000/0x4000',
    '-j MARK --set-mark 3',
    '-j MARK --and-mark 0xff',
    '-j CONNMARK --save-mark',
    '-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xf0',
    '-j CONNMARK --set-xmark 0x1/0xf',
    '-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400',
    '-p tcp -j TPROXY --on-port 80 --on-ip 127.0.0.1 --tproxy-mark 0x1/0x1',
  ])('mangle: %s', async (rule) => {
    await expectSame(4, table('mangle', 'PREROUTING', rule));
  });

  it('mangle: TCPMSS', async () => {
    const rule = '-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu';
    await expectSame(4, table('mangle', 'FORWARD', rule));
  });

  it.each(['-j TRACE', '-j CT --notrack', '-j NOTRACK'])('raw: %s', async (rule) => {
    await expectSame(4, table('raw', 'PREROUTING', rule));
  });

  it.each([
    '! -s fd00::/8 -d fd00:10:96::1/128 -p tcp -m tcp --dport 443 -j X',
    '-s fd00:1::/33 -j REJECT --reject-with icmp6-adm-prohibited',
    '-p ipv6-icmp -m icmp6 --icmpv6-type 128 -j ACCEPT',
    '-p ipv6-icmp -m icmp6 ! --icmpv6-type 1/4',
    '-m hl --hl-gt 3',
    '-m recent --set --name x --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource',
    '-m iprange --dst-range fd00::1-fd00::9',
    '-i cali+ -m conntrack --ctstate RELATED,ESTABLISHED',
  ])('IPv6: %s', async (rule) => {
    await expectSame(6, filter(`-A FORWARD ${rule}`));
  });

  it('IPv6 nat', async () => {
    const rules = [
      '-p tcp -j DNAT --to-destination [fd00::1]:80',
      '-j DNAT --to-destination fd00::2',
    ];
    await expectSame(6, table('nat', 'PREROUTING', ...rules));
  });

  it('the rules of kube-proxy 1.37', async () => {
    const file = new URL('../rules/kube-proxy-1.37/iptables-save.txt', import.meta.url);
    // Its objects are made by another tool.
    const text = readFileSync(file, 'utf8').replace(/ -m nfacct --nfacct-name +\S+/g, '');
    await expectSame(4, text);
  });

  const shapes = ENCAPS.flatMap((encap) => PROXIES.map((proxy) => ({ encap, proxy })));
  it.each(shapes)('the rules of the lab with $encap, $proxy', async ({ encap, proxy }) => {
    const shape: LabShape = {
      ...{ encap, proxy, policy: true, iptables: 'nft', crossSubnet: false, subnets: 1 },
      ...{ podMtu: null, dualStack: true },
    };
    for (const [family, number] of [
      ['ipv4', 4],
      ['ipv6', 6],
    ] as const) {
      const sets = [...calicoSets(NODE, shape, family), ...ipvsSets(NODE, family)];
      await runIn(NETNS, 'nft', ['flush', 'ruleset']);
      await runIn(NETNS, 'ipset', ['restore', '-exist'], { input: `${sets.join('\n')}\n` });
      const kube = proxy === 'ipvs' ? ipvsIptables(family) : kubeIptables(NODE.name, family);
      for (const lines of [kube, calicoIptables(NODE.name, shape, family)]) {
        await expectSame(number, `${lines.join('\n')}\n`);
      }
    }
  });
});
