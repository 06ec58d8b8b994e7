import { expect } from 'vitest';
import type { Pipeline } from '../../src/pipeline.js';

/** Until all that has been traced by now has been joined: after a flood that takes seconds. */
export async function untilJoined(pipeline: Pipeline): Promise<void> {
  const now = process.hrtime.bigint();
  await expect.poll(() => pipeline.drained > now, { timeout: 30_000 }).toBe(true);
}
