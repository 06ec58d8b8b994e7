/**
 * The processes that live in the lab: started detached, known by pid files, and only
 * ever stopped when the pid still is the program that was started.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HopscopeError } from '../model/errors.js';
import { labEnvironment } from './run-command.js';
import { LAB_DIRECTORY } from './state.js';

/** In the environment of every process of the lab; lab down looks for it. */
const MARKER = 'HOPSCOPE_LAB=1';
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 3_000;

/** A process of the lab did not start. */
export class LabProcessError extends HopscopeError {}

/**
 * A program of this folder as a file Node runs: the compiled one, also when this module
 * itself is run from its TypeScript source.
 */
export function programFile(name: string): string {
  const beside = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  if (existsSync(beside)) return beside;
  return fileURLToPath(new URL(`../../dist/lab/${name}.js`, import.meta.url));
}

export function programEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...rest } = labEnvironment();
  return { ...rest, HOPSCOPE_LAB: '1' };
}

/**
 * Starts `node PROGRAM ARGS…` in a namespace, at most one of each program there, and
 * waits until it says `ready`.
 */
export async function startServer(
  netns: string,
  program: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  await mkdir(LAB_DIRECTORY, { recursive: true });
  const files = `${LAB_DIRECTORY}/${netns}-${program}`;
  const logFile = `${files}.log`;
  const log = await open(logFile, 'w');
  let ended: string | null = null;
  try {
    const child = spawn(
      'ip',
      ['netns', 'exec', netns, process.execPath, programFile(program), ...args],
      { detached: true, stdio: ['ignore', log.fd, log.fd], env: programEnvironment(), cwd: '/' },
    );
    child.once('error', (error) => {
      ended = error.message;
    });
    child.once('exit', (status, by) => {
      ended = `it ended with ${by ?? status}`;
    });
    child.unref();
    if (child.pid !== undefined) {
      await writeFile(`${files}.pid`, `${child.pid}\n`);
    }
  } finally {
    await log.close();
  }
  const started = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    const said = await readFile(logFile, 'utf8');
    if (said.split('\n').includes('ready')) return;
    if (ended !== null || performance.now() - started > READY_TIMEOUT_MS) {
      const why = ended ?? `it was not ready after ${READY_TIMEOUT_MS / 1000} s`;
      throw new LabProcessError('LAB_SERVER_FAILED', `${program} of ${netns}: ${why}\n${said}`);
    }
    await delay(15);
  }
}

/** Stops every process the lab started that lives in one of `netns`, and waits for its end. */
export async function stopProcesses(netns: readonly string[]): Promise<void> {
  const pids = new Set<number>();
  for (const pid of [...(await pidFiles()), ...(await labProcesses(netns))]) {
    if (pid !== process.pid && (await isLabProcess(pid))) pids.add(pid);
  }
  for (const pid of pids) kill(pid, 'SIGTERM');
  const started = performance.now();
  let killed = false;
  while (pids.size > 0) {
    for (const pid of pids) if (!(await isLabProcess(pid))) pids.delete(pid);
    if (pids.size === 0) return;
    if (performance.now() - started > STOP_TIMEOUT_MS) {
      if (killed) {
        throw new LabProcessError('LAB_PROCESS_STAYS', `processes do not end: ${[...pids]}`);
      }
      killed = true;
      for (const pid of pids) kill(pid, 'SIGKILL');
    }
    await delay(10);
  }
}

async function pidFiles(): Promise<number[]> {
  if (!existsSync(LAB_DIRECTORY)) return [];
  const pids: number[] = [];
  for (const name of await readdir(LAB_DIRECTORY)) {
    if (!name.endsWith('.pid')) continue;
    const file = `${LAB_DIRECTORY}/${name}`;
    const pid = Number.parseInt(await readFile(file, 'utf8'), 10);
    if (Number.isSafeInteger(pid) && pid > 1) pids.push(pid);
    await rm(file, { force: true });
  }
  return pids;
}

/** Processes with the lab's marker whose network namespace is one of `netns`. */
async function labProcesses(netns: readonly string[]): Promise<number[]> {
  const { statSync, readdirSync } = await import('node:fs');
  const inodes = new Set<bigint>();
  for (const name of netns) {
    const found = statSync(`/run/netns/${name}`, { bigint: true, throwIfNoEntry: false });
    if (found !== undefined) inodes.add(found.ino);
  }
  if (inodes.size === 0) return [];
  const pids: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (inodes.has(statSync(`/proc/${name}/ns/net`, { bigint: true }).ino)) {
        pids.push(Number(name));
      }
    } catch {
      // It ended while we looked, or is a kernel thread.
    }
  }
  return pids;
}

async function isLabProcess(pid: number): Promise<boolean> {
  try {
    // A zombie has no environment left: it has ended as far as the lab goes.
    return (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0').includes(MARKER);
  } catch {
    return false;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
