import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import {
  absent,
  available,
  type Finding,
  type FindingSubject,
  finding,
  unknown,
} from './diagnosis.js';

/**
 * Measured: 75 with no namespace but its own, and those that a start takes for a moment (modules
 * that are read, programs that read names).
 */
export const OPEN_FILES_LEAST = 192;
/** Links to a namespace with rules and devices: 12 to 20 were measured. */
const OPEN_FILES_A_NAMESPACE = 24;

const OPEN_FILES: FindingSubject = {
  id: 'open-files',
  area: 'privileges',
  title: 'open files',
  need: 'wanted',
  consequence: 'hooks and devices of some namespaces are not attached to',
  remedy: null,
};

const NOT_ENOUGH: Pick<FindingSubject, 'need' | 'consequence'> = {
  need: 'required',
  consequence: 'programs, maps and links are open files, and not all of them can be opened',
};

/** Each link to a hook or device is an open file, as are programs and maps. */
export async function examineOpenFiles(): Promise<Finding> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => null);
  if (limits === null) return finding(OPEN_FILES, unknown('/proc/self/limits cannot be read'));
  return openFilesFinding(openFilesLimit(limits), await countNamespaces());
}

/** Whether not even watching one namespace can open all it needs. */
export async function mayOpenTooFew(): Promise<boolean> {
  try {
    const limit = openFilesLimit(await readFile('/proc/self/limits', 'utf8'));
    return limit !== null && limit < OPEN_FILES_LEAST;
  } catch {
    // Not even this one.
    return true;
  }
}

export function openFilesFinding(limit: number | null, namespaces: number): Finding {
  if (limit === null) return finding(OPEN_FILES, available('no limit'));
  const wanted = OPEN_FILES_LEAST + OPEN_FILES_A_NAMESPACE * namespaces;
  const detail = `limit ${limit}, ${namespaces} network namespaces take up to ${wanted}`;
  if (limit >= wanted) return finding(OPEN_FILES, available(detail));
  const subject = limit < OPEN_FILES_LEAST ? { ...OPEN_FILES, ...NOT_ENOUGH } : OPEN_FILES;
  return finding(subject, absent(detail, remedyOfOpenFiles(wanted)));
}

export function remedyOfOpenFiles(wanted: number): string {
  // Node raises the soft limit to the hard one by itself.
  const enough = Math.max(4096, 2 ** Math.ceil(Math.log2(wanted)));
  return `raise the hard limit of open files before the start: ulimit -n ${enough} (systemd: LimitNOFILE=${enough})`;
}

/** The soft limit in the text of /proc/PID/limits; `null` for none. */
export function openFilesLimit(limits: string): number | null {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === 'unlimited' ? null : Number(soft);
}

/** Those with a name, and those with a process. */
async function countNamespaces(): Promise<number> {
  const inodes = new Set<string>();
  const names = await readdir('/run/netns').catch(() => []);
  for (const name of names) {
    const found = await stat(`/run/netns/${name}`).catch(() => null);
    if (found !== null) inodes.add(`net:[${found.ino}]`);
  }
  const entries = await readdir('/proc').catch(() => []);
  for (const pid of entries.filter((name) => /^\d+$/.test(name))) {
    const target = await readlink(`/proc/${pid}/ns/net`).catch(() => null);
    if (target !== null) inodes.add(target);
  }
  return Math.max(1, inodes.size);
}
