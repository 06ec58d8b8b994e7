import { expect, test } from 'vitest';
import { ReadRate } from '../../src/serve/read-rate.js';

test('up to the limit in a second all is read, past it nothing until the second is over', () => {
  const rate = new ReadRate(1000);
  expect([rate.add(600, 5000), rate.add(400, 5100)]).toEqual([0, 0]);
  expect([rate.add(1, 5200), rate.add(1, 5999)]).toEqual([800, 1]);
  expect(rate.add(1000, 6000)).toBe(0);
  expect(rate.add(1, 6000)).toBe(1000);
});
