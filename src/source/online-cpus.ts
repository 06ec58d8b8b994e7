import { readFileSync } from 'node:fs';

const ONLINE = '/sys/devices/system/cpu/online';
/** How long an answer holds, ms: CPUs seldom come and go. */
const FRESH_MS = 10_000;

let known: { readonly cpus: readonly number[]; readonly until: number } = { cpus: [], until: 0 };

/** Numbers of the CPUs that are online. */
export function onlineCpus(now = performance.now()): readonly number[] {
  if (now >= known.until) {
    known = { cpus: parseCpuList(readFileSync(ONLINE, 'utf8')), until: now + FRESH_MS };
  }
  return known.cpus;
}

/** The kernel's list format (lib/bitmap-str.c): `0-3,8` is 0, 1, 2, 3, 8. */
export function parseCpuList(text: string): readonly number[] {
  return text
    .trim()
    .split(',')
    .filter((range) => range !== '')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}
