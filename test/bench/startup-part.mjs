// @ts-check
import { startObserver } from './observer.mjs';
import { SERVE } from './observers.mjs';
import { median } from './statistics.mjs';

/**
 * From the start of `serve` to its line `ready`, milliseconds.
 *
 * @param {number} starts
 */
export async function benchStartup(starts) {
  /** @type {number[]} */
  const ready = [];
  /** @type {number[]} */
  const gone = [];
  for (let i = 0; i < starts; i += 1) {
    const { readyMs, stop } = await startObserver(SERVE);
    ready.push(Math.round(readyMs));
    gone.push(Math.round((await stop()).stopMs));
  }
  return {
    readyMs: median(ready),
    least: Math.min(...ready),
    most: Math.max(...ready),
    goneMs: median(gone),
    starts: ready,
  };
}
