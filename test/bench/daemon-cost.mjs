// @ts-check
import { readFile } from 'node:fs/promises';

/** Clock ticks of /proc/PID/stat a second: USER_HZ, the same on every architecture. */
const TICKS_PER_SECOND = 100;

/**
 * CPU seconds a process has used so far, from /proc/PID/stat (fields 14 and 15,
 * proc(5); the name in field 2 may hold anything, so count from its end).
 *
 * @param {number} pid
 */
export async function cpuSeconds(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/**
 * One counter of a Prometheus page.
 *
 * @param {string} page
 * @param {string} name
 */
export function metricValue(page, name) {
  const line = page.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
}
