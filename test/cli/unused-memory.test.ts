import { expect, it } from 'vitest';
import { heapGrowthPercent } from '../../src/cli/unused-memory.js';
import { MEMORY_LEAST, shareOut } from '../../src/model/memory-budget.js';

const MIB = 1 << 20;

it('garbage keeps within its share of the slack however much is kept, and there is room to grow', () => {
  const { slack } = shareOut();
  for (const used of [30, 60, 120, 200]) {
    const percent = heapGrowthPercent(slack, used * MIB);
    expect((percent / 100) * used * MIB).toBeLessThanOrEqual(slack / 2 + 2 * MIB);
    expect(percent).toBeGreaterThanOrEqual(10);
  }
  expect(heapGrowthPercent(slack, 30 * MIB)).toBeGreaterThan(60);
  expect(heapGrowthPercent(shareOut(MEMORY_LEAST).slack, 100 * MIB)).toBe(10);
  expect(heapGrowthPercent(1 << 30, 30 * MIB)).toBe(150);
});
