import {
  FILTER_DEPTH_LIMIT,
  FILTER_TERM_LIMIT,
  FILTER_TEXT_LIMIT,
  type FilterNode,
  parseFilter,
} from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { fc } from '../fixtures/properties.js';

/** A node as one would write it with all brackets. */
function shown(node: FilterNode | null): string {
  if (node === null) return 'all';
  switch (node.kind) {
    case 'text':
      return node.field === null ? `"${node.value}"` : `${node.field}:"${node.value}"`;
    case 'range': {
      const low = node.isLowOpen ? '(' : '[';
      return `${node.field}${low}${node.low},${node.high}${node.isHighOpen ? ')' : ']'}`;
    }
    case 'not':
      return `!${shown(node.part)}`;
    default:
      return `{${node.parts.map(shown).join(node.kind === 'and' ? ' & ' : ' | ')}}`;
  }
}

describe('a filter', () => {
  test.each([
    ['', 'all'],
    ['   ', 'all'],
    ['pod1', '"pod1"'],
    [' pod1  proto:udp -"two words"', '{"pod1" & proto:"udp" & !"two words"}'],
    ['SRC:pod1', 'src:"pod1"'],
    ['src:pod1 OR dst:pod2 verdict:dropped', '{src:"pod1" | {dst:"pod2" & verdict:"dropped"}}'],
    ['(src:a or src:b) and not is:ended', '{{src:"a" | src:"b"} & !is:"ended"}'],
    ['NOT (a OR b)', '!{"a" | "b"}'],
    ['--a', '!!"a"'],
    ['order:1'.slice(0, 5), '"order"'],
    ['"or"', '"or"'],
    ['fd00::1', '"fd00::1"'],
    ['abc::1', '"abc::1"'],
    ['src:[fd00::1]:80', 'src:"[fd00::1]:80"'],
    ['10.0.0.1:80', '"10.0.0.1:80"'],
    ['10.0.0.0/8', '"10.0.0.0/8"'],
    ['label:app=web', 'label:"app=web"'],
    ['app=web', '"app=web"'],
    ['src:"with space', 'src:"with space"'],
    ['web(1)', '"web(1)"'],
    ['p99>1ms', 'p99(1000000,Infinity]'],
    ['p99>=1.5us', 'p99[1500,Infinity]'],
    ['age<30s', 'age[-Infinity,30000000000)'],
    ['bytes>1MB', 'bytes(1000000,Infinity]'],
    ['bytes>1MiB', 'bytes(1048576,Infinity]'],
    ['p50:100us..2ms', 'p50[100000,2000000]'],
    ['drops:3', 'drops[3,3]'],
    ['drops>0', 'drops(0,Infinity]'],
    ['port:8000..8099', 'port[8000,8099]'],
    ['port:8000-8099', 'port[8000,8099]'],
    ['port:8080', 'port:"8080"'],
    ['port>1024', 'port(1024,Infinity]'],
  ])('%s', (text, expected) => {
    const { node, problems } = parseFilter(text);
    expect([shown(node), problems]).toEqual([expected, []]);
  });

  test.each([
    ['porto:tcp', 'unknown-field', 'porto', 'port', 'all'],
    ['verdict:droped', 'unknown-value', 'droped', 'dropped', 'all'],
    ['pod1 verdct:dropped', 'unknown-field', 'verdct', 'verdict', '"pod1"'],
    ['http://x', 'unknown-field', 'http', null, 'all'],
    ['src:', 'missing-value', 'src:', null, 'all'],
    ['src:""', 'missing-value', 'src:""', null, 'all'],
    ['p99>1', 'bad-number', '1', null, 'all'],
    ['p99>fast', 'bad-number', 'fast', null, 'all'],
    ['src>pod1', 'bad-number', 'src>pod1', 'src:pod1', 'all'],
    ['(pod1', 'unbalanced', '(', null, '"pod1"'],
    ['pod1 )', 'unbalanced', ')', null, '"pod1"'],
    ['pod1 OR', 'missing-term', 'OR', null, '"pod1"'],
    ['OR pod1', 'missing-term', 'OR', null, '"pod1"'],
    ['pod1 NOT', 'missing-term', 'NOT', null, '"pod1"'],
  ])('%s: says what is wrong, and where', (text, code, where, suggestion, rest) => {
    const { node, problems } = parseFilter(text);
    expect(problems).toMatchObject([{ code, suggestion }]);
    const [problem] = problems;
    expect(text.slice(problem?.at, problem?.end)).toBe(where);
    expect(shown(node)).toBe(rest);
  });

  test('is bounded in characters, conditions and brackets', () => {
    const codes = (text: string): string[] => parseFilter(text).problems.map(({ code }) => code);
    expect(codes('x'.repeat(FILTER_TEXT_LIMIT))).toEqual([]);
    expect(codes('x'.repeat(FILTER_TEXT_LIMIT + 1))).toEqual(['too-long']);
    expect(codes('x '.repeat(FILTER_TERM_LIMIT))).toEqual([]);
    expect(codes('x '.repeat(FILTER_TERM_LIMIT + 1))).toEqual(['too-long']);
    const nested = (depth: number): string => `${'('.repeat(depth)}x${')'.repeat(depth)}`;
    expect(codes(nested(FILTER_DEPTH_LIMIT))).toEqual([]);
    expect(codes(nested(FILTER_DEPTH_LIMIT + 1))).toContain('too-long');
  });

  test('never throws, ends, and points into its text', () => {
    const piece = fc.constantFrom(
      ...[
        '(',
        ')',
        '-',
        '"',
        ' ',
        ':',
        '>',
        'OR',
        'not',
        'src',
        'p99',
        '1ms',
        '*',
        '..',
        'x',
        '::',
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const text = pieces.join('');
        const { problems } = parseFilter(text);
        for (const { at, end } of problems) {
          expect(0 <= at && at <= end && end <= text.length).toBe(true);
        }
      }),
    );
  });
});
