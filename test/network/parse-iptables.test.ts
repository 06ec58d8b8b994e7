import { describe, expect, it } from 'vitest';
import { errorDrops } from '../../src/mtu/firewall-verdict.js';
import { parseIptables, RULES_LIMIT } from '../../src/network/parse-iptables.js';
import { parseNftables } from '../../src/network/parse-nftables.js';
import { fc } from '../fixtures/properties.js';

const save = (...rules: readonly string[]) =>
  ['# Generated', '*filter', ':INPUT ACCEPT [0:0]', ':other - [0:0]', ...rules, 'COMMIT', ''].join(
    '\n',
  );
const drops = (...rules: readonly string[]) => {
  const { chains } = parseIptables(save(...rules), 4, 'iptables-nft');
  return errorDrops(chains, 4).map(({ rule }) => rule?.text ?? 'policy');
};

describe('what an extension asks without options of its own is not known', () => {
  it.each([
    '-A INPUT -m rpfilter --invert -j DROP',
    '-A INPUT -m socket -j DROP',
    '-A INPUT -m set --match-set a src -j DROP',
    '-A INPUT -s 10.0.0.0/8 -p icmp -j DROP',
    '-A INPUT -m u32 --u32 "0>>22&0x3C@0&0xFFFF=0" -j DROP',
    '-A INPUT -m comment --comment "-j DROP" -j LOG --log-prefix "-j DROP "',
  ])('%s', (rule) => expect(drops(rule)).toEqual([]));
});

describe('what is certain', () => {
  it.each([
    '-A INPUT -j DROP',
    '-A INPUT -p icmp -j REJECT --reject-with icmp-port-unreachable',
    '-A INPUT -i eth0 -p icmp -j DROP',
    '-A INPUT -s 10.0.0.0/8 -p icmp -m icmp --icmp-type 3/4 -j DROP',
    '-A INPUT -m conntrack ! --ctstate NEW -j DROP',
  ])('%s', (rule) => expect(drops(rule)).toEqual([rule]));

  it('in a chain that is jumped to, and after a return', () => {
    const drop = '-A other -j DROP';
    expect(drops('-A INPUT -p icmp -j other', '-A other -p tcp -j RETURN', drop)).toEqual([drop]);
    expect(drops('-A INPUT -p icmp -j other', '-A other -p icmp -j RETURN', drop)).toEqual([]);
    expect(drops('-A INPUT -g other', drop, '-A INPUT -j ACCEPT')).toEqual([drop]);
  });

  it('not in a chain that leads to itself', () => {
    expect(drops('-A INPUT -j other', '-A other -j other')).toEqual([]);
  });
});

it('as many rules as the limit, and one more', () => {
  const rules = (count: number) => Array<string>(count).fill('-A INPUT -j ACCEPT');
  const { leftOut, chains } = parseIptables(save(...rules(RULES_LIMIT)), 4, 'iptables-nft');
  expect([leftOut, chains[0]?.rules.length]).toEqual([0, RULES_LIMIT]);
  const more = parseIptables(save(...rules(RULES_LIMIT + 1)), 4, 'iptables-nft');
  expect([more.leftOut, more.chains[0]?.rules.length]).toEqual([1, RULES_LIMIT]);
});

it('any text, and any JSON, is a value', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      parseIptables(`*filter\n:INPUT ACCEPT\n-A INPUT ${text}`, 4, 'iptables-nft');
    }),
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const chain = { chain: { family: 'ip', table: 't', name: 'c', hook: 'input' } };
      const rule = {
        rule: {
          family: 'ip',
          table: 't',
          chain: 'c',
          handle: 1,
          expr: [value, { match: value }, { vmap: value }],
        },
      };
      errorDrops(parseNftables(JSON.stringify({ nftables: [value, chain, rule] })).chains, 4);
    }),
  );
});
