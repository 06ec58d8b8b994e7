import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { absent, available, type Finding, type FindingSubject, finding } from './diagnosis.js';

/** Ring buffer, maps and programs together, in bytes, with room to spare. */
export const BPF_MEMORY_BYTES = 64 * 1024 * 1024;

const MEMORY_LIMIT: FindingSubject = {
  id: 'memory-limit',
  area: 'privileges',
  title: 'memory for BPF',
  need: 'wanted',
  consequence: 'the ring buffer may not fit, and events are lost or nothing loads',
  remedy: 'raise the memory limit of this cgroup (memory.max)',
};

const MEMLOCK: FindingSubject = {
  ...MEMORY_LIMIT,
  remedy: 'ulimit -l unlimited; before Linux 5.11 BPF memory counts as locked memory',
};

/** Since Linux 5.11 the memory cgroup is charged for BPF memory, before that RLIMIT_MEMLOCK. */
export async function examineMemory(): Promise<Finding[]> {
  if (isOlderThan(release(), 5, 11)) {
    const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
    return [finding(MEMLOCK, observe(memlockLimit(limits), 'locked memory'))];
  }
  return [finding(MEMORY_LIMIT, observe(await cgroupLimit(), 'cgroup'))];
}

function observe(limit: number | null, of: string) {
  if (limit === null) return available('no limit');
  const detail = `${of} limit ${Math.floor(limit / 1024 / 1024)} MiB`;
  return limit < BPF_MEMORY_BYTES ? absent(detail) : available(detail);
}

/** Whether a release such as `6.1.0-31-amd64` is before `major.minor`. */
export function isOlderThan(kernelRelease: string, major: number, minor: number): boolean {
  const [haveMajor = 0, haveMinor = 0] = kernelRelease
    .split('.')
    .map((n) => Number.parseInt(n, 10));
  return haveMajor < major || (haveMajor === major && haveMinor < minor);
}

/** Bytes of the soft limit in the text of /proc/PID/limits; `null` for none. */
export function memlockLimit(limits: string): number | null {
  const soft = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? null : Number(soft);
}

/** The tightest memory.max (bytes) from this process's cgroup up to the root; `null` for none. */
async function cgroupLimit(): Promise<number | null> {
  const membership = await readFile('/proc/self/cgroup', 'utf8').catch(() => '');
  const path = unifiedCgroup(membership);
  if (path === null) return null;
  const parts = path.split('/').filter((part) => part !== '');
  let tightest: number | null = null;
  for (let depth = parts.length; depth > 0; depth -= 1) {
    const file = join('/sys/fs/cgroup', ...parts.slice(0, depth), 'memory.max');
    const limit = Number.parseInt(await readFile(file, 'utf8').catch(() => 'max'), 10);
    if (Number.isFinite(limit)) tightest = Math.min(limit, tightest ?? limit);
  }
  return tightest;
}

/** Path of the version 2 hierarchy in the text of /proc/PID/cgroup (cgroups(7)). */
export function unifiedCgroup(membership: string): string | null {
  return /^0::(\/.*)$/m.exec(membership)?.[1] ?? null;
}
