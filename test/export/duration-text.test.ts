import { expect, it } from 'vitest';
import { durationText } from '../../src/export/duration-text.js';

it.each([
  [0, '0 ns'],
  [820.4, '820 ns'],
  [999, '999 ns'],
  [1_000, '1.0 µs'],
  [9_120, '9.1 µs'],
  [999_949, '999.9 µs'],
  [1_000_000, '1.00 ms'],
  [1_250_000, '1.25 ms'],
  [2_000_000_000, '2.00 s'],
  [10_000_000_000, '10.00 s'],
  // Never a thousand of a unit: it is one of the next.
  [999.6, '1.0 µs'],
  [999_960, '1.00 ms'],
  [999_996_000, '1.00 s'],
])('%d ns is %s', (ns, text) => {
  expect(durationText(ns)).toBe(text);
});
