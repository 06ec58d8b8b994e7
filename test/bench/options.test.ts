import { expect, test } from 'vitest';
import { DEFAULT_LOADS, LOADS } from './loads.mjs';
import { BenchUsageError, HELP, PARTS, parseOptions } from './options.mjs';

function options(...words: string[]) {
  const parsed = parseOptions(words);
  if (parsed === 'help') throw new Error('help');
  return parsed;
}

test('without a word: all parts, at least seven rounds, the loads that fit into the time', () => {
  const { parts, rounds, loads, encap } = options();
  expect(parts).toEqual(PARTS);
  expect(rounds).toBe(7);
  expect(loads.map(({ id }) => id)).toEqual(
    LOADS.map(({ id }) => id)
      .filter((id) => DEFAULT_LOADS.includes(id))
      .sort((a, b) => DEFAULT_LOADS.indexOf(a) - DEFAULT_LOADS.indexOf(b)),
  );
  expect(loads).toHaveLength(DEFAULT_LOADS.length);
  expect(encap).toBe('vxlan');
});

test('quick is two short rounds, and what is named wins', () => {
  expect(options('--quick')).toMatchObject({ rounds: 2, seconds: 1 });
  expect(options('--quick', '--rounds', '5')).toMatchObject({ rounds: 5, seconds: 1 });
});

test('full is every load, named ones are those', () => {
  expect(options('--full').loads).toEqual(LOADS);
  expect(options('--full', '--loads', 'rr-same-1000').loads).toEqual([
    { id: 'rr-same-1000', kind: 'rr', way: 'same', flows: 1000 },
  ]);
  expect(options('--only', 'memory,load').parts).toEqual(['memory', 'load']);
});

test.each([
  [['--only', 'lode'], 'lode'],
  [['--loads', 'udp-across-7'], 'udp-across-7'],
  [['--rounds', '0'], '--rounds'],
  [['--seconds', '1.5'], '--seconds'],
  [['--encap', 'gre'], 'gre'],
  [['--unheard-of'], '--unheard-of'],
])('%j is refused by name', (words, name) => {
  expect(() => parseOptions(words)).toThrow(BenchUsageError);
  expect(() => parseOptions(words)).toThrow(name);
});

test('help knows every part and every load', () => {
  expect(parseOptions(['--help'])).toBe('help');
  for (const part of PARTS) expect(HELP).toMatch(new RegExp(`^ {2}${part} `, 'm'));
  for (const { id } of LOADS) expect(HELP).toContain(id);
});
