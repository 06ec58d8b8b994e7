import { expect, test } from 'vitest';
import { median, medianOrNull, percentile, ratioOfMedians, rotated } from './statistics.mjs';

test('the median does not mind order, and halves an even count', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([10, 9, 2, 1])).toBe(5.5);
  expect(median([7])).toBe(7);
  expect(() => median([])).toThrow(RangeError);
});

test('a ratio of medians with the extremes of single rounds', () => {
  expect(ratioOfMedians([50, 90, 80], [100, 100, 100])).toEqual({
    ratio: 0.8,
    least: 0.5,
    most: 0.9,
  });
});

test('each begins once before anybody begins twice', () => {
  const list = ['a', 'b', 'c'];
  expect([0, 1, 2, 3].map((round) => rotated(list, round)[0])).toEqual(['a', 'b', 'c', 'a']);
  expect(rotated(list, 1)).toEqual(['b', 'c', 'a']);
  expect(rotated([], 4)).toEqual([]);
});

test('a median of what is known', () => {
  expect(medianOrNull([null, 3, null, 1])).toBe(2);
  expect(medianOrNull([null])).toBeNull();
});

test('a percentile is one of the values, by the nearest rank', () => {
  const values = [4, 1, 3, 2];
  expect([0.25, 0.5, 0.51, 0.99, 1].map((share) => percentile(values, share))).toEqual([
    1, 2, 3, 4, 4,
  ]);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});
