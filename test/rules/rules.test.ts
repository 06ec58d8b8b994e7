import { describe, expect, it } from 'vitest';
import { parseAddress, parsePrefix } from '../../src/rules/address.js';
import { parseIpvs } from '../../src/rules/ipvs.js';
import { RuleBook, VERSIONS_LIMIT } from '../../src/rules/rule-book.js';
import { WAYS_LIMIT } from '../../src/rules/walk.js';
import { endOf, explain, packet, understood } from './understood.js';

const table = (...lines: readonly string[]): string =>
  ['*filter', ...lines, 'COMMIT', ''].join('\n');
const SENT = packet('10.0.0.1:1000', '10.0.0.2:80', 6, { outgoing: 'eth1' });

describe('rules', () => {
  it('a policy that drops is an answer of its own', () => {
    const rules = understood([
      'iptables-nft',
      table(':FORWARD DROP [0:0]', '-A FORWARD -p udp -j ACCEPT'),
    ]);
    expect(explain(rules, 'forward', SENT, 'dropped')).toEqual(['FORWARD policy DROP [seen]']);
  });

  it('a match that nobody can evaluate is settled by what was seen', () => {
    const lines = [':FORWARD ACCEPT', '-A FORWARD -m u32 --u32 "0>>22&0x3C@4=0x29" -j DROP'];
    const rules = understood(['iptables-legacy', table(...lines)]);
    expect(explain(rules, 'forward', SENT, 'dropped')).toEqual(['FORWARD drop [seen]']);
    expect(explain(rules, 'forward', SENT, {})).toEqual(['FORWARD policy ACCEPT [follows]']);
    expect(explain(rules, 'forward', SENT, null)).toEqual([
      'FORWARD drop [one-of 2]',
      'FORWARD policy ACCEPT [one-of 2]',
    ]);
  });

  it('whether a rule was met that changes nothing is unknown', () => {
    const lines = [':FORWARD ACCEPT', '-A FORWARD -m limit --limit 5/min -j LOG'];
    const rules = understood(['iptables-nft', table(...lines)]);
    expect(explain(rules, 'forward', SENT, {})).toEqual([
      'FORWARD log [unknown]',
      'FORWARD policy ACCEPT [follows]',
    ]);
  });

  it('a target that nobody knows may do anything', () => {
    const rules = understood(['iptables-nft', table(':FORWARD ACCEPT', '-A FORWARD -j MYSTERY')]);
    expect(explain(rules, 'forward', SENT, 'dropped')).toEqual(['FORWARD drop [seen]']);
  });

  it('a loop of goto, and chains too deep within each other, come to an end', () => {
    const loop = [':FORWARD ACCEPT', ':A -', ':B -', '-A FORWARD -j A', '-A A -g B', '-A B -g A'];
    expect(explain(understood(['iptables-nft', table(...loop)]), 'forward', SENT, {})).toEqual([
      'FORWARD unknown [unknown] the rules were not followed to their end: RULES_LOOP',
    ]);
    const deep = [':FORWARD ACCEPT', ':A -', '-A FORWARD -j A', '-A A -j A'];
    expect(explain(understood(['iptables-nft', table(...deep)]), 'forward', SENT, {})).toEqual([
      'FORWARD unknown [unknown] the rules were not followed to their end: RULES_TOO_DEEP',
    ]);
  });

  it('more ways than are followed are said to be', () => {
    const lines = Array.from(
      { length: 9 },
      (_, i) => `-A FORWARD -m limit --limit ${i + 1}/min -j LOG`,
    );
    expect(2 ** lines.length).toBeGreaterThan(WAYS_LIMIT);
    const rules = understood(['iptables-nft', table(':FORWARD ACCEPT', ...lines)]);
    const met = explain(rules, 'forward', SENT, {});
    expect(met.every((line) => line.includes('[unknown]'))).toBe(true);
  });

  it('text of a tool that is not understood is a problem with a code, and makes no other rule certain', () => {
    const rules = understood(
      ['nft', '{"nftables": [{"table": {'],
      ['nft', 'not JSON'],
      ['iptables-nft', table(':FORWARD DROP')],
    );
    expect(rules.problems.map(({ code }) => code)).toEqual([
      'RULES_NOT_UNDERSTOOD',
      'RULES_NOT_UNDERSTOOD',
    ]);
    expect(explain(rules, 'forward', SENT, 'dropped')).toEqual(['FORWARD policy DROP [unknown]']);
  });

  it('a set of nets excepts what nomatch says', () => {
    const sets = 'create s hash:net family inet\nadd s 10.0.0.0/24\nadd s 10.0.0.1 nomatch\n';
    const lines = [':FORWARD ACCEPT', '-A FORWARD -m set --match-set s src -j DROP'];
    const rules = understood(['iptables-nft', table(...lines)], ['ipset', sets]);
    expect(explain(rules, 'forward', SENT, {})).toEqual(['FORWARD policy ACCEPT [follows]']);
    const other = packet('10.0.0.9:1', '10.0.0.2:80', 6, { outgoing: 'eth1' });
    expect(explain(rules, 'forward', other, 'dropped')).toEqual(['FORWARD drop [seen]']);
  });

  it('IPVS says which real server it chose', () => {
    const saved = [
      '-A -t 10.107.161.255:8080 -s rr',
      '-a -t 10.107.161.255:8080 -r 10.244.146.205:80 -m -w 1',
      '-a -t 10.107.161.255:8080 -r 10.244.153.201:80 -m -w 1',
    ].join('\n');
    expect(parseIpvs([saved]).size).toBe(1);
    const rules = understood(['ipvs', saved]);
    const sent = packet('10.244.153.204:4000', '10.107.161.255:8080');
    const next = { dst: endOf('10.244.153.201:80').address, dport: 80 };
    expect(explain(rules, 'input', sent, next)).toEqual([
      'ipvs dnat 10.244.153.201:80 [seen] real server 2 of 2: 10.244.153.201:80, round robin',
    ]);
  });
});

describe('addresses', () => {
  it.each([
    ['10.0.0.1', 0x0a000001],
    ['::', 0n],
    ['::ffff:10.0.0.1', 0xffff0a000001n],
    ['fd00::1:2', 0xfd000000000000000000000000010002n],
    ['10.0.0', null],
    ['fe80::1%eth0', null],
  ])('%s', (text, value) => expect(parseAddress(text)).toBe(value));

  it('a mask with holes is no prefix', () => {
    expect(parsePrefix('10.0.0.0/255.0.255.0')).toBeNull();
    expect(parsePrefix('10.0.0.0/255.255.0.0')).toEqual({ first: 0x0a000000, last: 0x0a00ffff });
  });
});

describe('the book of rules', () => {
  it('knows which were in force when, and says what it does not know', () => {
    const book = new RuleBook();
    const first = understood();
    const second = understood();
    expect(book.at(1, 5)).toBe('unread');
    book.isFollowed = true;
    expect(book.at(1, 5)).toBe('later');
    book.add(1, 10, 20, first);
    book.confirm(1, 30);
    expect([book.at(1, 5), book.at(1, 25), book.at(1, 31)]).toEqual(['changed', first, 'later']);
    book.add(1, 40, 50, second);
    expect([book.at(1, 30), book.at(1, 35), book.at(1, 45)]).toEqual([first, 'changed', second]);
    for (let i = 0; i < VERSIONS_LIMIT; i++) book.add(1, 100 + i, 100 + i, null);
    expect([book.at(1, 25), book.at(1, 100)]).toEqual(['changed', 'none']);
    book.forget(1);
    expect(book.at(1, 100)).toBe('later');
  });
});
