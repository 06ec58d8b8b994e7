import { expect, it } from 'vitest';
import {
  CountReader,
  kernelCounts,
  NONE_MISSED,
  sumOfMissed,
} from '../../src/source/kernel-counters.js';

it('what loses a hop is lost, and an end that was not seen is counted apart', () => {
  const { losses, endsMissed } = kernelCounts(() => 0n, { hops: 2n, ends: 3n });
  expect(Object.values(losses).reduce((sum, n) => sum + n, 0n)).toBe(2n);
  expect(losses['program-recursion']).toBe(2n);
  expect(endsMissed).toBe(3n);
});

it('runs missed by one object and by the next are one sum', () => {
  const old = sumOfMissed(NONE_MISSED, { hops: 1n, ends: 4n });
  expect(sumOfMissed(old, { hops: 2n, ends: 1n })).toEqual({ hops: 3n, ends: 5n });
});

it('counts are read once for all who ask together, and never after the end', () => {
  let reads = 0;
  let now = 0;
  const reader = new CountReader(
    () => {
      reads += 1;
      return kernelCounts(() => BigInt(reads), NONE_MISSED);
    },
    () => now,
  );
  expect([reader.newest().own, reader.newest().filtered]).toEqual([1n, 1n]);
  now += 20;
  expect(reader.newest().own).toBe(2n);
  reader.end();
  now += 20;
  expect(reader.newest().own).toBe(3n);
});
