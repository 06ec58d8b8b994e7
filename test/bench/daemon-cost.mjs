// @ts-check
import { readdir, readFile } from 'node:fs/promises';

/** Clock ticks of /proc/PID/stat a second: USER_HZ, the same on every architecture. */
const TICKS_PER_SECOND = 100;

/**
 * Fields of /proc/PID/stat from the third on (proc(5); the name in the second may hold
 * anything, so count from its end); null when there is no such process.
 *
 * @param {string | number} pid
 */
async function statFields(pid) {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}

/**
 * CPU seconds a process has used so far; 0 once it is gone.
 *
 * @param {number} pid
 */
export async function cpuSeconds(pid) {
  const fields = await statFields(pid);
  return fields === null ? 0 : (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * Processes and all that they have started and that is still there.
 *
 * @param {readonly number[]} pids
 * @returns {Promise<readonly number[]>}
 */
export async function withDescendants(pids) {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const parents = new Map(
    await Promise.all(
      names.map(async (name) => {
        const fields = await statFields(name);
        return /** @type {const} */ ([Number(name), Number(fields?.[1] ?? 0)]);
      }),
    ),
  );
  const family = new Set(pids);
  for (let before = -1; before !== family.size; ) {
    before = family.size;
    for (const [pid, parent] of parents) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

/**
 * CPU seconds of processes and of what they have started.
 *
 * @param {readonly number[]} pids
 */
export async function familyCpuSeconds(pids) {
  if (pids.length === 0) return 0;
  const family = await withDescendants(pids);
  const each = await Promise.all(family.map(cpuSeconds));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}
