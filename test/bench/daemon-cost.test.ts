import { expect, test } from 'vitest';
import { cpuSeconds, metricValue } from './daemon-cost.mjs';

test('reads what this process used, as Node itself counts it', async () => {
  const until = performance.now() + 300;
  while (performance.now() < until);
  const { user, system } = process.cpuUsage();
  expect(await cpuSeconds(process.pid)).toBeCloseTo((user + system) / 1e6, 0);
});

test('finds a counter by its whole name', () => {
  const page = '# HELP a_total x\na_total_more 3\na_total 12\n';
  expect(metricValue(page, 'a_total')).toBe(12);
  expect(metricValue(page, 'a')).toBeNaN();
});
