import { expect, test } from 'vitest';
import { Epoch } from '../../src/wire/clock.js';
import { fc } from '../fixtures/properties.js';

const HALF = 0xffffffffn;

test('nanoseconds since the epoch, across the border of the two halves', () => {
  const epoch = new Epoch((7n << 32n) + HALF);
  expect(epoch.sinceHalves(0, 8)).toBe(1);
  expect(epoch.sinceHalves(0xffffffff, 7)).toBe(0);
  expect(epoch.sinceHalves(0xfffffffe, 7)).toBe(-1);
  expect(epoch.since((8n << 32n) + 5n)).toBe(6);
});

test('differences are exact to the nanosecond for a hundred days', () => {
  const hundredDays = 100n * 86_400n * 1_000_000_000n;
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 1n << 60n }),
      fc.bigInt({ min: 0n, max: hundredDays }),
      (start, later) => {
        const time = start + later;
        const since = new Epoch(start).sinceHalves(Number(time & HALF), Number(time >> 32n));
        expect(BigInt(since)).toBe(later);
        expect(new Epoch(start).since(time)).toBe(since);
      },
    ),
  );
});
