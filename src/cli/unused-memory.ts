import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { boundMalloc } from 'ebpf-ts';
import { heartbeat } from '../heartbeat.js';

/** By how much V8's heap may grow before it is collected, percent of what is in it. */
const LEAST_PERCENT = 10;
const MOST_PERCENT = 150;
/** The part of the slack that garbage may fill; the rest is for arrays that are being moved. */
const GARBAGE_SHARE = 1 / 2;
/** Larger arrays have a mapping of their own, which ends with them: glibc's own first value. */
const MAPPED_BYTES = 128 << 10;
/** One for the main thread, one for V8's and libuv's. */
const ARENAS = 2;

/**
 * Percent that a heap may grow by so that garbage keeps within its share of the slack.
 *
 * @param usedBytes what the heap has in it now
 */
export function heapGrowthPercent(slackBytes: number, usedBytes: number): number {
  const percent = Math.round((100 * slackBytes * GARBAGE_SHARE) / usedBytes);
  return Math.min(Math.max(percent, LEAST_PERCENT), MOST_PERCENT);
}

function boundHeap(slackBytes: number): void {
  const percent = heapGrowthPercent(slackBytes, getHeapStatistics().used_heap_size);
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/**
 * Keeps what is free but not given back within the memory budget.
 *
 * By itself V8 lets a heap of 40 MB grow to 130 before it collects, and calls that fast. To
 * collect more often costs: while 50,000 packets a second are joined, a growth of 20 % takes a
 * fifth more of a core than V8's own. So a heap that is nearly empty may grow by more than half,
 * and one that has its tables full by a sixth. By itself glibc keeps arrays that grew and were
 * freed: with everything full in 320 MiB the process that watches took 225 to 251 MiB (median
 * 237), with these bounds 215 to 241 (median 224; test/bench/overrun-child.mjs).
 *
 * @param slackBytes of the memory budget
 */
export function boundUnusedMemory(slackBytes: number): void {
  boundMalloc({ mappedBytes: MAPPED_BYTES, arenas: ARENAS });
  boundHeap(slackBytes);
  heartbeat.alongside(() => boundHeap(slackBytes));
}
