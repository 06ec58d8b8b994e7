import { describe, expect, it } from 'vitest';
import { NftRuleWriter } from '../../src/rules/nft-iptables.js';
import { chainsOf, ruleMessages } from '../../src/rules/nft-table-dump.js';
import { chain, counter, expression, match, padded, rule, verdict, WRITTEN } from './nft-bytes.js';

function lines(...messages: readonly Uint8Array[]): (string | null)[] {
  const data = Buffer.concat(messages);
  const writer = new NftRuleWriter(4);
  return [...ruleMessages(data)].map(([from, end]) => writer.write(data, from, end));
}

describe('rules as nf_tables has them', () => {
  it('are written as iptables-save does', () => {
    expect(lines(...WRITTEN.map(([bytes]) => bytes))).toEqual(WRITTEN.map(([, line]) => line));
  });

  it('with what only a tool can write are left to it', () => {
    expect(lines(rule('X', expression('lookup'), verdict(0)))).toEqual([null]);
    expect(lines(rule('X', match('u32', 0, ...padded(40)), verdict(0)))).toEqual([null]);
    expect(lines(rule('X', match('multiport', 0, ...padded(48)), counter(1)))).toEqual([null]);
  });

  it('are one line each, whatever is in a comment', () => {
    const comment = match('comment', 0, ...padded(256, ...Buffer.from('a\n-A X -j DROP')));
    expect(lines(rule('X', comment, verdict(1)))).toEqual([
      '-A X -m comment --comment "a -A X -j DROP" -j ACCEPT',
    ]);
  });

  it('keep what their counter says', () => {
    const data = Buffer.from(rule('X', counter(7), verdict(0)));
    const writer = new NftRuleWriter(4);
    for (const [from, end] of ruleMessages(data)) writer.write(data, from, end);
    expect(writer.packets).toBe(7n);
  });

  it('that are cut are an error', () => {
    const [bytes] = WRITTEN[0] ?? [new Uint8Array()];
    for (let length = 1; length < bytes.length; length++) {
      expect(() => lines(bytes.subarray(0, length))).toThrow(RangeError);
    }
    // The length of the first attribute.
    const wrong = Uint8Array.from(bytes);
    wrong[20] = 255;
    wrong[21] = 255;
    expect(() => lines(wrong)).toThrow(RangeError);
  });

  it('a match that is shorter than its struct is an error', () => {
    expect(() => lines(rule('X', match('conntrack', 3, ...padded(20)), verdict(0)))).toThrow(
      RangeError,
    );
  });
});

it('chains: those of iptables, and one that it would not make', () => {
  const data = Buffer.concat([
    chain('FORWARD', [2, 0]),
    chain('X', null),
    chain('FORWARD', [2, 5]),
    chain('mine', [2, 0]),
  ]);
  expect([...chainsOf(data)]).toEqual([
    { table: 'filter', name: 'FORWARD', policy: 'DROP', isUsual: true },
    { table: 'filter', name: 'X', policy: '-', isUsual: true },
    { table: 'filter', name: 'FORWARD', policy: 'DROP', isUsual: false },
    { table: 'filter', name: 'mine', policy: 'DROP', isUsual: false },
  ]);
});
