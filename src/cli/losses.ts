import { log } from '../logger.js';
import type { Pipeline } from '../pipeline.js';
import type { LineOutput } from './output.js';

/** Nothing is lost in silence. */
export function reportLosses(pipeline: Pipeline, output: LineOutput): void {
  const quality = pipeline.quality();
  const losses = [
    [quality.lost, 'events lost: the kernel produced faster than they were read'],
    [String(pipeline.joiner.counters.cutByWindow), 'packets seen in part: a window began or ended'],
    [quality.evicted, 'evicted from full tables'],
    [String(output.skipped), 'lines left out: the reader was too slow'],
    ...Object.entries(quality.malformed).map(([code, count]) => [count, code]),
  ].filter(([count]) => count !== '0');
  for (const [count, what] of losses) {
    log.warn('lost', `${count} ${what}`, { fields: { count, what } });
  }
}
