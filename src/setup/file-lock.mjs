// @ts-check
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { SetupError } from './setup-error.mjs';

/** A whole build from nothing takes about two minutes on two cores. */
const WAIT_LIMIT_SECONDS = 20 * 60;
/** Exit status of flock(1) where another process has the lock. */
const TAKEN = 75;

/**
 * Does `work` while it holds the lock of a file, so that two builds in one checkout take turns.
 * flock(1) locks the open file that it shares with this process: the kernel drops the lock when
 * this process closes it or ends, whatever ends it.
 *
 * @template T
 * @param {string} file
 * @param {(line: string) => void} report
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @throws {SetupError} `SETUP_LOCKED`
 */
export async function withFileLock(file, report, work) {
  mkdirSync(dirname(file), { recursive: true });
  const descriptor = openSync(file, 'a');
  try {
    if ((await lock(descriptor, ['-n'])) === TAKEN) {
      report(`waiting for another build, which holds ${file}`);
      if ((await lock(descriptor, ['-w', String(WAIT_LIMIT_SECONDS)])) === TAKEN) {
        throw new SetupError('SETUP_LOCKED', `another build still holds ${file}`);
      }
    }
    return await work();
  } finally {
    closeSync(descriptor);
  }
}

/**
 * @param {number} descriptor
 * @param {readonly string[]} options
 * @returns {Promise<number>} 0, or TAKEN
 */
function lock(descriptor, options) {
  return new Promise((resolve, reject) => {
    // The child has it as its descriptor 3.
    const child = spawn('flock', ['-E', String(TAKEN), ...options, '3'], {
      stdio: ['ignore', 'ignore', 'inherit', descriptor],
    });
    child.once('error', (error) =>
      reject(new SetupError('SETUP_LOCKED', `flock(1) cannot be run: ${error.message}`)),
    );
    child.once('close', (status) => {
      if (status === 0 || status === TAKEN) resolve(status);
      else reject(new SetupError('SETUP_LOCKED', `flock(1) ended with status ${status}`));
    });
  });
}
