import { describe, expect, test } from 'vitest';
import { HISTOGRAM_MAX, Histogram } from '../../src/flow/histogram.js';
import { fc } from '../fixtures/properties.js';

const QUANTILES = [0, 0.01, 0.5, 0.9, 0.99, 0.999, 1];
/** Longest latencies that occur, evenly over their logarithm. */
const latency = fc
  .double({ min: 0, max: Math.log2(HISTOGRAM_MAX), noNaN: true })
  .map((exponent) => Math.floor(2 ** exponent));

function filled(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) {
    histogram.add(value);
  }
  return histogram;
}

describe('a value', () => {
  test('is given to within 1 %, whatever it is', () => {
    fc.assert(
      fc.property(latency, (value) => {
        // The greatest value is exact, so look at one that is not it.
        const given = filled([value, HISTOGRAM_MAX]).quantile(0.5);
        expect(Math.abs(given - value)).toBeLessThanOrEqual(value * 0.01);
      }),
      { numRuns: 5000 },
    );
  });

  test('is given to within 1 % at the borders of every bucket', () => {
    for (let exponent = 0; exponent < 34; exponent++) {
      for (const part of [0, 1, 63, 64, 127]) {
        const border = Math.floor(2 ** exponent * (1 + part / 128));
        for (const value of [border - 1, border, border + 1]) {
          if (value >= 0 && value <= HISTOGRAM_MAX) {
            const given = filled([value, HISTOGRAM_MAX]).quantile(0.5);
            expect(Math.abs(given - value)).toBeLessThanOrEqual(value * 0.01);
          }
        }
      }
    }
  });

  test('below 128 ns is exact', () => {
    for (let value = 0; value < 128; value++) {
      expect(filled([value, 1000]).quantile(0.5)).toBe(value);
    }
  });

  test('beyond 10 s counts as 10 s, and before 0 as 0', () => {
    expect(filled([1e12]).max).toBe(HISTOGRAM_MAX);
    expect(filled([HISTOGRAM_MAX + 1]).quantile(1)).toBe(HISTOGRAM_MAX);
    expect(filled([-5]).quantile(1)).toBe(0);
  });
});

describe('quantiles', () => {
  test('are those of the sorted values, to within 1 %', () => {
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 500 }), (values) => {
        const histogram = filled(values);
        const sorted = [...values].sort((a, b) => a - b);
        for (const quantile of QUANTILES) {
          const rank = Math.max(1, Math.ceil(quantile * sorted.length));
          const exact = sorted[rank - 1] ?? 0;
          expect(Math.abs(histogram.quantile(quantile) - exact)).toBeLessThanOrEqual(exact * 0.01);
        }
        expect(histogram.max).toBe(sorted[sorted.length - 1]);
        expect(histogram.count).toBe(values.length);
      }),
    );
  });

  test('of nothing are 0', () => {
    const histogram = new Histogram();
    expect(histogram.quantile(0.5)).toBe(0);
    expect(histogram.max).toBe(0);
    expect(histogram.count).toBe(0);
  });
});

test('memory is bounded: every bucket in use takes 12 KiB at most', () => {
  const histogram = new Histogram();
  for (let value = 1; value <= HISTOGRAM_MAX; value *= 1.005) {
    histogram.add(value);
  }
  for (let value = HISTOGRAM_MAX; value >= 1; value /= 1.003) {
    histogram.add(value);
  }
  expect(histogram.byteLength).toBeLessThanOrEqual(12 << 10);
  expect(new Histogram().byteLength).toBeLessThanOrEqual(32);
});

test('one that is complete keeps its quantiles and gives up its buckets', () => {
  const histogram = filled(Array.from({ length: 5_000 }, (_, n) => n * n));
  const before = [0.5, 0.9, 0.99].map((one) => histogram.quantile(one));
  const bytes = histogram.byteLength;
  expect(histogram.settle()).toBeGreaterThan(bytes / 2);
  expect(histogram.byteLength).toBe(0);
  expect([0.5, 0.9, 0.99].map((one) => histogram.quantile(one))).toEqual(before);
  expect([histogram.count, histogram.max]).toEqual([5_000, 4_999 * 4_999]);
  expect(filled([1, 2]).settle()).toBe(0);
});
