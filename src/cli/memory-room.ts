import { mib } from '../doctor/examine-memory.js';
import { memoryLimit } from '../doctor/memory-limit.js';
import { log } from '../logger.js';
import { UnsupportedError } from '../model/errors.js';
import { MEMORY_LEAST } from '../model/memory-budget.js';

/**
 * A process that reaches the limit of its cgroup is killed and can say nothing: it is said before.
 *
 * @param total bytes of the memory budget
 * @throws UnsupportedError `NOT_ENOUGH_MEMORY` with less than the least budget
 */
export function requireMemory(total: number): void {
  const limit = memoryLimit();
  if (limit === null || limit >= total) return;
  if (limit < MEMORY_LEAST) {
    throw new UnsupportedError(
      'NOT_ENOUGH_MEMORY',
      `the limit of this cgroup is ${mib(limit)}, and hopscope takes ${mib(MEMORY_LEAST)} at the least`,
      `raise memory.max (memory.limit_in_bytes) to ${mib(total)}`,
    );
  }
  log.warn(
    'memory-room',
    `the limit of this cgroup is ${mib(limit)}, less than the budget of ${mib(total)}: the kernel ends hopscope when it is reached; give --memory ${mib(limit)} or raise memory.max`,
  );
}
