import { FILTER_TERM_LIMIT } from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { flowRow } from '../../src/serve/flow-row.js';
import { countFacets } from '../../ui/src/filter/facets.js';
import {
  fieldTerm,
  formatFilter,
  hasTerm,
  parseFilter,
  toggleTerm,
} from '../../ui/src/filter/grammar.js';
import { droppedFlow, serviceFlow } from '../serve/fixture-feed.js';

describe('the filter box', () => {
  test('reads words, fields, exclusions and quotes', () => {
    expect(parseFilter(' pod1  service:default/nginx-service -proto:udp -"two words"')).toEqual([
      { field: null, value: 'pod1', negate: false },
      { field: 'service', value: 'default/nginx-service', negate: false },
      { field: 'proto', value: 'udp', negate: true },
      { field: null, value: 'two words', negate: true },
    ]);
  });

  test('takes an IPv6 address for a word, and for a value', () => {
    expect(parseFilter('fd00::1')).toEqual([{ field: null, value: 'fd00::1', negate: false }]);
    expect(parseFilter('abc::1')).toEqual([{ field: null, value: 'abc::1', negate: false }]);
    expect(parseFilter('src:[fd00::1]:80')).toEqual([fieldTerm('src', '[fd00::1]:80')]);
  });

  test('leaves out what is not finished', () => {
    expect(parseFilter('')).toEqual([]);
    expect(parseFilter('src:"')).toEqual([]);
  });

  test('takes no more terms than the daemon does', () => {
    expect(parseFilter('x '.repeat(FILTER_TERM_LIMIT + 1))).toHaveLength(FILTER_TERM_LIMIT);
  });

  test('what it reads and writes is the same', () => {
    const text = 'pod1 -verdict:dropped service:"with space" fd00::1';
    expect(formatFilter(parseFilter(text))).toBe(text);
  });

  test('a term clicked twice is gone', () => {
    const term = fieldTerm('proto', 'tcp');
    const once = toggleTerm(parseFilter('pod1'), term);
    expect([formatFilter(once), hasTerm(once, fieldTerm('proto', 'TCP'))]).toEqual([
      'pod1 proto:tcp',
      true,
    ]);
    expect(formatFilter(toggleTerm(once, term))).toBe('pod1');
  });
});

test('facets count what choosing them would leave', () => {
  const rows = [
    flowRow(serviceFlow('a', 1)),
    flowRow(serviceFlow('b', 1)),
    flowRow(droppedFlow('c', 1)),
  ];
  const all = countFacets(rows, []);
  expect(all.get('verdict')).toEqual([
    { value: 'delivered', count: 2 },
    { value: 'dropped', count: 1 },
  ]);
  const chosen = countFacets(rows, parseFilter('verdict:dropped'));
  // Its own field still offers the other value; the others count what is left.
  expect(chosen.get('verdict')).toEqual(all.get('verdict'));
  expect(chosen.get('encap')).toEqual([{ value: 'none', count: 1 }]);
  expect(countFacets(rows, parseFilter('nothing-like-it')).get('proto')).toEqual([]);
});
