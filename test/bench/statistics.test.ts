import { expect, test } from 'vitest';
import { median, ratioOfMedians, rotated } from './statistics.mjs';

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
