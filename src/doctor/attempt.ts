import { type ExecFileException, execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** No check needs longer; one that does not end must not block the daemon's start. */
const ATTEMPT_LIMIT_MS = 5000;

export interface Attempt {
  readonly status: number;
  readonly stdout: string;
  /** Last line of standard error, or why the program did not start; may be empty. */
  readonly complaint: string;
}

/**
 * Run a program for its status and words. Never rejects; 127 is a program not found,
 * 126 one that may not be run.
 */
export async function attempt(command: string, args: readonly string[]): Promise<Attempt> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, LC_ALL: 'C' };
  try {
    const { stdout, stderr } = await run(command, args, { timeout: ATTEMPT_LIMIT_MS, env });
    return { status: 0, stdout, complaint: lastLine(stderr) };
  } catch (error) {
    return failedAttempt(command, error);
  }
}

function failedAttempt(command: string, error: unknown): Attempt {
  const { code, stdout = '', stderr = '' } = error as ExecFileException;
  if (code === 'ENOENT') {
    return { status: 127, stdout, complaint: `${command} is not installed` };
  }
  // A program with file capabilities that this process may not have does not start.
  if (code === 'EPERM' || code === 'EACCES') {
    return { status: 126, stdout, complaint: `${command} may not be run (${code})` };
  }
  // Without files or processes to spare nothing is started at all.
  if (typeof code === 'string') {
    return { status: 126, stdout, complaint: `${command} cannot be run (${code})` };
  }
  return { status: typeof code === 'number' ? code : 1, stdout, complaint: lastLine(stderr) };
}

/** Whether a failure says nothing of what was tried: it was not permitted, or did not run. */
export function couldNotTry({ status, complaint }: Attempt): boolean {
  const words = /unshare failed|Operation not permitted|Permission denied|Too many open files/;
  return status === 127 || status === 126 || words.test(complaint);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/**
 * The same in a network namespace made for it, which is gone when the program ends
 * with all that was made in it.
 */
export function attemptInScratch(command: string, args: readonly string[]): Promise<Attempt> {
  return attempt('unshare', ['--net', '--', command, ...args]);
}
