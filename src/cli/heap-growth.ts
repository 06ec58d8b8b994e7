import { setFlagsFromString } from 'node:v8';

/** By how much V8's heap may grow before it is collected, percent of what was alive last time. */
const LEAST_PERCENT = 20;
const MOST_PERCENT = 150;
/** What is alive in it, bytes: most of what is kept is no object (see flow/flow-block.ts). */
const ALIVE_BYTES = 40 << 20;
/** The part of the slack that garbage may fill; the rest is for arrays that are being moved. */
const GARBAGE_SHARE = 1 / 2;

/** Percent that a heap may grow by so that garbage keeps within its share of the slack. */
export function heapGrowthPercent(slackBytes: number): number {
  const percent = Math.round((100 * slackBytes * GARBAGE_SHARE) / ALIVE_BYTES);
  return Math.min(Math.max(percent, LEAST_PERCENT), MOST_PERCENT);
}

/**
 * Keeps garbage within its share of the memory budget: by itself V8 lets a heap of 40 MB grow to
 * 130 before it collects, and calls that fast. To collect more often costs: while 50,000 packets
 * a second are joined, a growth of 20 % takes a fifth more of a core than V8's own.
 *
 * @param slackBytes of the memory budget
 */
export function boundHeapGrowth(slackBytes: number): void {
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent(slackBytes)}`);
}
