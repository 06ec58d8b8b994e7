import { expect, test } from 'vitest';
import { SlotSet } from '../../src/serve/slot-set.js';
import { fc } from '../fixtures/properties.js';

const LIMIT = 70;

test('is a set, and goes round it in order', () => {
  const slot = fc.integer({ min: 0, max: LIMIT - 1 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), slot)), slot, (steps, from) => {
      const set = new SlotSet(LIMIT);
      const model = new Set<number>();
      for (const [add, one] of steps) {
        const news = add ? !model.has(one) : model.has(one);
        expect(add ? set.add(one) : set.delete(one)).toBe(news);
        if (add) model.add(one);
        else model.delete(one);
      }
      const sorted = [...model].sort((a, b) => a - b);
      expect([set.size, sorted.filter((one) => set.has(one))]).toEqual([model.size, sorted]);
      expect(set.nextFrom(from)).toBe(sorted.find((one) => one >= from) ?? sorted[0] ?? -1);
    }),
  );
});
