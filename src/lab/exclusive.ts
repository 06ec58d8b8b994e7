import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HopscopeError } from '../model/errors.js';

const LOCK_DIRECTORY = '/run/hopscope';
const LOCK_FILE = `${LOCK_DIRECTORY}/lab.lock`;
/** Building a lab takes seconds, on an emulated machine a minute, ms. */
const WAIT_MS = 120_000;
const POLL_MS = 25;

/** Another process is building or removing the lab and does not come to an end. */
export class LabBusyError extends HopscopeError {}

/**
 * Runs `work` while nobody else changes the lab; waits for whoever does. A lock whose
 * process has ended counts for nothing.
 *
 * @throws LabBusyError
 */
export async function exclusively<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  await mkdir(LOCK_DIRECTORY, { recursive: true });
  const own = `${process.pid} ${await startTime(process.pid)}\n`;
  const started = performance.now();
  while (!(await take(own))) {
    signal?.throwIfAborted();
    const [pid, since] = (await holder()).split(' ');
    if (since !== undefined && (await startTime(Number(pid))) !== since) {
      await rm(LOCK_FILE, { force: true });
    } else if (performance.now() - started > WAIT_MS) {
      const who = `process ${pid ?? 'unknown'} is changing the lab (${LOCK_FILE})`;
      throw new LabBusyError('LAB_BUSY', who);
    } else {
      await delay(POLL_MS);
    }
  }
  try {
    return await work();
  } finally {
    await rm(LOCK_FILE, { force: true });
  }
}

async function take(own: string): Promise<boolean> {
  try {
    await writeFile(LOCK_FILE, own, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

async function holder(): Promise<string> {
  return (await readFile(LOCK_FILE, 'utf8').catch(() => '')).trim();
}

/** When a process started, ticks since boot; with the pid it names one process for good. */
async function startTime(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // Field 22 of proc(5), counted after the name, which may hold anything.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}
