import fc from 'fast-check';
import { compareKeys, type RowKey } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { bestFirst, type Candidate, lastKey } from '../../src/serve/best-rows.js';

test('the first of an order are what sorting would give', () => {
  const key = fc.option(fc.integer({ min: 0, max: 20 }), { nil: null });
  fc.assert(
    fc.property(fc.array(key, { minLength: 1 }), fc.boolean(), fc.nat(), (keys, descending, n) => {
      const count = 1 + (n % keys.length);
      const candidates: Candidate[] = keys.map((one, slot) => ({ slot, key: one }));
      const sorted = [...keys].sort((a, b) => compareKeys(a, b, descending));
      bestFirst(candidates, count, descending);
      const order = (a: RowKey, b: RowKey): number => compareKeys(a, b, descending);
      const best = candidates.slice(0, count).map((one) => one.key);
      expect(best.sort(order)).toEqual(sorted.slice(0, count));
      expect(new Set(candidates.map(({ slot }) => slot)).size).toBe(keys.length);
      expect(lastKey(candidates, count, descending)).toBe(sorted[count - 1]);
    }),
  );
});
