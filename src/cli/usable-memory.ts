import { getHeapStatistics } from 'node:v8';
import { mib } from '../doctor/examine-memory.js';
import { log } from '../logger.js';
import { UsageError } from '../model/errors.js';
import { heapMibFor, MEMORY_LEAST, withinHeap } from '../model/memory-budget.js';

/**
 * What of `--memory` can be used with the heap that Node has: V8 takes its limit from the
 * machine's memory or from NODE_OPTIONS, once, and ends a process that comes to it. Where that
 * is less, it says so.
 *
 * @throws UsageError `HEAP_TOO_SMALL` where not even the least that there is fits
 */
export function usableMemory(
  asked: number,
  heapLimit = getHeapStatistics().heap_size_limit,
): number {
  const usable = withinHeap(asked, heapLimit);
  if (usable === asked) return asked;
  const remedy = `NODE_OPTIONS=--max-old-space-size=${heapMibFor(asked)} gives it more`;
  const heap = `Node's heap ends at ${mib(heapLimit)} here`;
  if (usable < MEMORY_LEAST) {
    throw new UsageError('HEAP_TOO_SMALL', `${heap}, which is too little; ${remedy}`);
  }
  log.warn(
    'memory-bounded',
    `${heap}: of ${mib(asked)} of --memory ${mib(usable)} are used; ${remedy}`,
  );
  return usable;
}
