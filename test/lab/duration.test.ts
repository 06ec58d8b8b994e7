import { expect, it } from 'vitest';
import { parseDuration } from '../../src/lab/duration.js';
import { UsageError } from '../../src/model/errors.js';

it.each([
  ['250ms', 250],
  ['10s', 10_000],
  ['1.5m', 90_000],
  ['2h', 7_200_000],
])('reads %s', (text, ms) => {
  expect(parseDuration('--duration', text)).toBe(ms);
});

it.each(['', '10', 's', '-1s', '0s', '1e3s', '10 s', '9999h', '1.2345s'])('refuses %j', (text) => {
  expect(() => parseDuration('--duration', text)).toThrow(UsageError);
});
