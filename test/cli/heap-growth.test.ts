import { expect, it } from 'vitest';
import { heapGrowthPercent } from '../../src/cli/heap-growth.js';
import { MEMORY_LEAST, shareOut } from '../../src/model/memory-budget.js';

it('garbage keeps within its share of the slack, and the heap always has room to grow', () => {
  expect(heapGrowthPercent(shareOut(MEMORY_LEAST).slack)).toBe(20);
  const { slack } = shareOut();
  const percent = heapGrowthPercent(slack);
  expect(percent).toBeGreaterThan(50);
  expect((percent / 100) * (40 << 20)).toBeLessThanOrEqual(slack / 2 + (1 << 20));
  expect(heapGrowthPercent(1 << 30)).toBe(150);
});
