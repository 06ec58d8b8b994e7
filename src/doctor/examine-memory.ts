import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { MEMORY_DEFAULT, MEMORY_LEAST } from '../model/memory-budget.js';
import { absent, available, type Finding, type FindingSubject, finding } from './diagnosis.js';
import { memoryLimit } from './memory-limit.js';

/** Ring buffer, maps and programs together, in bytes, with room to spare. */
export const BPF_MEMORY_BYTES = 64 * 1024 * 1024;

const MEMORY_LIMIT: FindingSubject = {
  id: 'memory-limit',
  area: 'privileges',
  title: 'memory',
  need: 'wanted',
  consequence: 'the kernel ends hopscope when the limit is reached',
  remedy: `raise the memory limit of this cgroup (memory.max) to ${mib(MEMORY_DEFAULT)}, or give --memory ${mib(MEMORY_LEAST)} and raise it to that`,
};

const MEMLOCK: FindingSubject = {
  ...MEMORY_LIMIT,
  title: 'memory for BPF',
  consequence: 'the ring buffer may not fit, and events are lost or nothing loads',
  remedy: 'ulimit -l unlimited; before Linux 5.11 BPF memory counts as locked memory',
};

/** Since Linux 5.11 the memory cgroup is charged for BPF memory, before that RLIMIT_MEMLOCK. */
export async function examineMemory(): Promise<Finding[]> {
  if (isOlderThan(release(), 5, 11)) {
    const limit = memlockLimit(await readFile('/proc/self/limits', 'utf8').catch(() => ''));
    const isLow = limit !== null && limit < BPF_MEMORY_BYTES;
    const words = limit === null ? 'no limit' : `locked memory limit ${mib(limit)}`;
    return [finding(MEMLOCK, isLow ? absent(words) : available(words))];
  }
  return [memoryFinding(memoryLimit(), await availableMemory())];
}

/**
 * @param limit of the cgroup, bytes; `null` for none
 * @param free what the machine has left, bytes; `null` where that is not known
 */
export function memoryFinding(limit: number | null, free: number | null): Finding {
  if (limit !== null && limit < MEMORY_DEFAULT) {
    // The least that is started with; see cli/memory-room.ts.
    const need = limit < MEMORY_LEAST ? 'required' : 'wanted';
    return finding({ ...MEMORY_LIMIT, need }, absent(`cgroup limit ${mib(limit)}`));
  }
  if (free !== null && free < MEMORY_DEFAULT) {
    const remedy = `end what takes memory, or give --memory ${mib(MEMORY_LEAST)}`;
    return finding(MEMORY_LIMIT, absent(`${mib(free)} left on this machine`, remedy));
  }
  return finding(
    MEMORY_LIMIT,
    available(limit === null ? 'no limit' : `cgroup limit ${mib(limit)}`),
  );
}

/** As `--memory` takes it. */
export function mib(bytes: number): string {
  return `${Math.floor(bytes / 1024 / 1024)}M`;
}

async function availableMemory(): Promise<number | null> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kib === undefined ? null : Number(kib) * 1024;
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
