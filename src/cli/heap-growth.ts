import { setFlagsFromString } from 'node:v8';

/** By how much V8's heap may grow before it is collected, percent of what was alive last time. */
const GROWTH_PERCENT = 20;

/**
 * Keeps garbage within its share of the memory budget: by itself V8 lets a heap of 40 MB grow to
 * 130 before it collects, and calls that fast. Here what is alive is told from what is not all
 * the time, since most of it is no object (see flow/flow-block.ts), so collecting costs little.
 */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
