import { expect, test } from 'vitest';
import { judge, slope } from './slope.mjs';

const line = (count: number, value: (i: number) => number) =>
  Array.from({ length: count }, (_, i) => ({ at: 10 * i, value: value(i) }));

test('the slope of a line is that line, a second', () => {
  expect(slope(line(20, (i) => 5 + 3 * i))).toBeCloseTo(0.3);
  expect(slope(line(20, () => 7))).toBe(0);
  expect(slope(line(1, () => 7))).toBeNaN();
});

test('a quarter of the samples may be anything', () => {
  const spiked = line(40, (i) => (i % 4 === 1 ? 1e9 : 100 + i));
  expect(slope(spiked)).toBeCloseTo(0.1, 1);
});

test('a saw that comes back does not grow, one that does not is a leak', () => {
  const saw = line(60, (i) => 100 + (i % 6) * 10);
  expect(judge('heap', saw, 5).holds).toBe(true);
  const leak = line(60, (i) => 100 + (i % 6) * 10 + 2 * i);
  const verdict = judge('heap', leak, 5);
  expect(verdict.holds).toBe(false);
  expect(verdict.anHour).toBeGreaterThan(600);
  expect(verdict.last).toBeGreaterThan(verdict.first);
});

test('a longer run shows a smaller leak', () => {
  const leak = (count: number) =>
    judge(
      'x',
      line(count, (i) => (i % 6) * 10 + i / 2),
      5,
    );
  expect(leak(30).holds).toBe(true);
  expect(leak(300).holds).toBe(false);
});

test('without samples nothing holds', () => {
  expect(judge('rss', [], 1e9).holds).toBe(false);
});
