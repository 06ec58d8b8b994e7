import { env } from 'node:process';
import { expect, it } from 'vitest';
import { campaign } from './campaign.js';
import type { Target } from './target.js';

/** Inputs of each target in the test suite. */
const COUNT = 100_000;
/** The same every time: what a change breaks fails with that change. */
const SEED = Number(env['HOPSCOPE_FUZZ_SEED'] ?? 1);

/** One test a target. */
export function campaignTests(targets: readonly Target[]): void {
  it.each(targets)('holds for whatever comes: $name', async (target) => {
    const count = target.suiteCount ?? COUNT;
    const { runs, good } = await campaign(target, { seed: SEED, count });
    expect(runs).toBe(count);
    expect(good / runs).toBeGreaterThan(target.leastGood);
  });
}
