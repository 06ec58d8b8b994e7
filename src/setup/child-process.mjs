// @ts-check
import { spawn } from 'node:child_process';

/** Output kept of a quiet child, in bytes; what is older is dropped and said so. */
const OUTPUT_LIMIT = 4 * 1024 * 1024;
/** Time between SIGTERM and SIGKILL for a child that ran out of time, in milliseconds. */
const TERMINATION_GRACE_MS = 10_000;

/**
 * @typedef {object} ChildOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {boolean} [inherit] let the child write to this process's own output
 * @property {number} [limitSeconds] end the child and all it started after this long
 *
 * @typedef {object} ChildResult
 * @property {number} status exit status; 128 + n for signal n as a shell has it, 127 if not found
 * @property {string} output both streams, empty with `inherit`
 * @property {boolean} timedOut
 */

/**
 * Run a program to its end. Never rejects: a program that cannot be started is
 * status 127 with the reason as its output.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {ChildOptions} [options]
 * @returns {Promise<ChildResult>}
 */
export function runChild(command, args, options = {}) {
  return new Promise((resolve) => {
    const limited = options.limitSeconds !== undefined;
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: options.inherit ? ['ignore', 'inherit', 'inherit'] : ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that running out of time ends grandchildren too.
      detached: limited,
    });
    /** @type {Buffer[]} */
    const chunks = [];
    let held = 0;
    let dropped = 0;
    /** @param {Buffer} chunk */
    const keep = (chunk) => {
      chunks.push(chunk);
      held += chunk.length;
      while (held > OUTPUT_LIMIT && chunks.length > 1) {
        const oldest = /** @type {Buffer} */ (chunks.shift());
        held -= oldest.length;
        dropped += oldest.length;
      }
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);

    let timedOut = false;
    /** @type {NodeJS.Timeout[]} */
    const timers = [];
    /** @param {NodeJS.Signals} signal */
    const signalGroup = (signal) => {
      try {
        if (child.pid !== undefined) process.kill(limited ? -child.pid : child.pid, signal);
      } catch {
        // Already gone.
      }
    };
    if (options.limitSeconds !== undefined) {
      timers.push(
        setTimeout(() => {
          timedOut = true;
          signalGroup('SIGTERM');
          timers.push(setTimeout(() => signalGroup('SIGKILL'), TERMINATION_GRACE_MS));
        }, options.limitSeconds * 1000),
      );
    }
    // A detached child does not get the terminal's Ctrl-C: hand it on.
    const forward = /** @param {NodeJS.Signals} signal */ (signal) => {
      signalGroup(signal);
      process.exitCode = signal === 'SIGINT' ? 130 : 143;
      process.off('SIGINT', forward);
      process.off('SIGTERM', forward);
      setTimeout(() => process.exit(), TERMINATION_GRACE_MS).unref();
    };
    if (limited) {
      process.on('SIGINT', forward);
      process.on('SIGTERM', forward);
    }

    /** @param {number} status @param {string} [extra] */
    const finish = (status, extra = '') => {
      for (const timer of timers) clearTimeout(timer);
      process.off('SIGINT', forward);
      process.off('SIGTERM', forward);
      const note = dropped > 0 ? `(${dropped} bytes of older output left out)\n` : '';
      resolve({ status, output: note + Buffer.concat(chunks).toString('utf8') + extra, timedOut });
    };
    child.on('error', (error) => finish(127, `${command}: ${error.message}\n`));
    child.on('close', (code, signal) => finish(code ?? 128 + signalNumber(signal)));
  });
}

/** @param {NodeJS.Signals | null} signal */
function signalNumber(signal) {
  const known = {
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGABRT: 6,
    SIGKILL: 9,
    SIGSEGV: 11,
    SIGTERM: 15,
  };
  return signal !== null && signal in known ? known[/** @type {keyof typeof known} */ (signal)] : 0;
}
