import { describe, expect, test } from 'vitest';
import {
  MEMORY_DEFAULT,
  MEMORY_LEAST,
  MEMORY_MOST,
  shareOut,
} from '../../src/model/memory-budget.js';
import { fc } from '../fixtures/properties.js';

describe('memory shared out', () => {
  test('is all of it and no more, and every part has some', () => {
    const sizes = fc.integer({ min: MEMORY_LEAST, max: MEMORY_MOST });
    fc.assert(
      fc.property(sizes, (size) => {
        const { total, ...parts } = shareOut(size);
        expect(total).toBe(size);
        expect(Object.values(parts).reduce((sum, bytes) => sum + bytes, 0)).toBe(size);
        expect(Object.values(parts).every((bytes) => bytes > 0 && Number.isInteger(bytes))).toBe(
          true,
        );
        expect(Math.log2(parts.ring) % 1).toBe(0);
      }),
    );
  });

  test('more for all is less for none', () => {
    const sizes = fc.tuple(
      fc.integer({ min: MEMORY_LEAST, max: MEMORY_DEFAULT * 8 }),
      fc.integer({ min: 64 << 20, max: MEMORY_DEFAULT }),
    );
    fc.assert(
      fc.property(sizes, ([size, more]) => {
        const [less, most] = [shareOut(size), shareOut(size + more)];
        for (const part of ['recordQueue', 'openPaths', 'tuples', 'recentPaths', 'rows'] as const) {
          expect(most[part] >= less[part]).toBe(true);
        }
        expect(most.flows > less.flows).toBe(true);
      }),
    );
  });
});
