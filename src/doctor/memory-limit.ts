import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Version 1 of cgroups has no word for "no limit", but the largest number of pages. */
const NO_LIMIT = 2 ** 60;

/**
 * The tightest limit on the memory of this process and its children, bytes; `null` for none. It is of
 * its cgroup or one above, as far as they are mounted here.
 */
export function memoryLimit(): number | null {
  const files = limitFiles(read('/proc/self/cgroup'), read('/proc/self/mountinfo'));
  const limits = files.map((file) => Number.parseInt(read(file), 10)).filter(isLimit);
  return limits.length === 0 ? null : Math.min(...limits);
}

function isLimit(bytes: number): boolean {
  return Number.isFinite(bytes) && bytes < NO_LIMIT;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/**
 * The files that may hold a limit, from the cgroup up to where its hierarchy is mounted.
 *
 * @param membership the text of /proc/PID/cgroup (cgroups(7))
 * @param mounts the text of /proc/PID/mountinfo (proc(5))
 */
export function limitFiles(membership: string, mounts: string): string[] {
  return mounts.split('\n').flatMap((line) => {
    const [mount = '', filesystem = ''] = line.split(' - ');
    const [, , , root = '', point = ''] = mount.split(' ');
    const [type, , options = ''] = filesystem.split(' ');
    const isOld = type === 'cgroup' && options.split(',').includes('memory');
    if (type !== 'cgroup2' && !isOld) return [];
    const path = isOld ? memoryCgroup(membership) : unifiedCgroup(membership);
    if (path === null) return [];
    const file = isOld ? 'memory.limit_in_bytes' : 'memory.max';
    return upwards(below(root, path)).map((folder) => join(point, folder, file));
  });
}

function unifiedCgroup(membership: string): string | null {
  return /^0::(\/.*)$/m.exec(membership)?.[1] ?? null;
}

function memoryCgroup(membership: string): string | null {
  return /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m.exec(membership)?.[1] ?? null;
}

/** A container's hierarchy is mounted from its own cgroup on, while /proc may name the whole path. */
function below(root: string, path: string): string {
  if (root === '/') return path;
  return path === root || path.startsWith(`${root}/`) ? path.slice(root.length) : '/';
}

function upwards(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return [...parts.keys(), parts.length].reverse().map((depth) => parts.slice(0, depth).join('/'));
}
