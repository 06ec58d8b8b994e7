import { describe, expect, it } from 'vitest';
import { jsonLine, printable, printableRecord } from '../../src/export/printable.js';
import { fc } from '../fixtures/properties.js';

const CLEAR_SCREEN = '\u001b[2J';
/** What a terminal acts on, or what changes how the text beside it is shown. */
const ACTS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

describe('a text for a terminal', () => {
  it.each([
    [CLEAR_SCREEN, '\\u{1b}[2J'],
    ['\u009b2J', '\\u{9b}2J'],
    ['a\rb\nc\td', 'a\\u{d}b\\u{a}c\\u{9}d'],
    ['\u007f', '\\u{7f}'],
    // The direction of what follows it (UAX #9).
    ['eth\u202e0', 'eth\\u{202e}0'],
    ['\u2066', '\\u{2066}'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\ud800', '\\u{d800}'],
  ])('of %j is %j', (text, shown) => {
    expect(printable(text)).toBe(shown);
  });

  it.each(['eth0', 'Pöd 1 ⇒ 2', '名前', '🦘', 'a\\b', ''])('leaves %j as it is', (text) => {
    expect(printable(text)).toBe(text);
  });

  it('has nothing that a terminal acts on, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(ACTS);
      }),
    );
  });
});

it('a record has every text of it printable, keys too, and nothing else changed', () => {
  const record = {
    name: CLEAR_SCREEN,
    list: [{ dev: 'a\u0007' }, 1, null, true],
    reasons: { ['\u001bX']: 2 },
  };
  expect(printableRecord(record)).toEqual({
    name: '\\u{1b}[2J',
    list: [{ dev: 'a\\u{7}' }, 1, null, true],
    reasons: { ['\\u{1b}X']: 2 },
  });
});

it('a line of JSON is shown as it is, and parses to the same', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const line = jsonLine({ value, text });
      expect(line).not.toMatch(ACTS);
      expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ value, text })));
    }),
  );
});
