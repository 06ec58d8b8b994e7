import { expect, it } from 'vitest';
import { painter, verdictColour } from '../../src/export/colour.js';

it('paints in ANSI colours, and ends each', () => {
  const paint = painter(true);
  expect(paint('red', 'dropped')).toBe('\u001b[31mdropped\u001b[0m');
  expect(paint('dim', '')).toBe('');
});

it('paints nothing where colours are not wanted', () => {
  expect(painter(false)('red', 'dropped')).toBe('dropped');
});

it.each([
  ['delivered', 'green'],
  ['forwarded', 'green'],
  ['unknown', 'yellow'],
  ['dropped', 'red'],
])('%s is %s', (verdict, colour) => {
  expect(verdictColour(verdict)).toBe(colour);
});
