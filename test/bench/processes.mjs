// @ts-check
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { onEnd } from './cleanup.mjs';

const STOP_LIMIT_MS = 5_000;
const OUTPUT_LIMIT = 64 * 1024 * 1024;
const WORDS_KEPT = 20;

const runFile = promisify(execFile);

/** Ends with this process, however that ends; survives `ip netns exec`, which only execs. */
const WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL'];

/**
 * @typedef {readonly [string, ...string[]]} Command
 *
 * @typedef {object} Running
 * @property {number} pid
 * @property {readonly string[]} said on standard error, the last lines
 * @property {() => Promise<Words>} stop ends it; what it wrote last
 *
 * @typedef {object} Words the last lines of each
 * @property {readonly string[]} output
 * @property {readonly string[]} error
 */

/**
 * The words that run a command in a network namespace.
 *
 * @param {string} netns
 * @param {readonly string[]} command
 * @returns {Command}
 */
export function inNetns(netns, command) {
  return ['ip', 'netns', 'exec', netns, ...command];
}

/**
 * Run to its end; its standard output.
 *
 * @param {Command} command
 * @param {{ timeoutMs?: number }} [limits]
 * @returns {Promise<string>}
 */
export async function output(command, { timeoutMs = 0 } = {}) {
  const [file = '', ...args] = [...WITH_PARENT, ...command];
  const running = runFile(file, args, {
    maxBuffer: OUTPUT_LIMIT,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const ended = onEnd(() => running.child.kill('SIGKILL'));
  try {
    return (await running).stdout;
  } finally {
    ended();
  }
}

/**
 * Start what runs on; resolves when a line of its output says that it is ready.
 *
 * @param {Command} command
 * @param {{ ready: RegExp, limitMs: number, endBy?: 'SIGINT' | 'SIGTERM' | 'end of input' }} how
 * @returns {Promise<Running>}
 */
export async function start(command, { ready, limitMs, endBy = 'SIGINT' }) {
  const [file = '', ...args] = [...WITH_PARENT, ...command];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const kill = onEnd(() => child.kill('SIGKILL'));
  /** @type {string[]} */
  const said = [];
  /** @type {string[]} */
  const complained = [];
  child.stdin.on('error', () => undefined);
  const stop = async () => {
    const ended = once(child, 'close');
    if (child.exitCode === null && child.signalCode === null) {
      if (endBy === 'end of input') child.stdin.end();
      else child.kill(endBy);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await ended;
      clearTimeout(timer);
    }
    kill();
    return { output: said, error: complained };
  };
  try {
    await new Promise((resolve, reject) => {
      const fail = () => {
        const words = [...complained, ...said].join('\n');
        reject(new Error(`${command.join(' ')}: not ready\n${words}`));
      };
      const timer = setTimeout(fail, limitMs);
      // Read on after it is ready: a full pipe would hold it up.
      const hear = (/** @type {string[]} */ lines) => (/** @type {string} */ line) => {
        if (lines.push(line) > WORDS_KEPT) lines.shift();
        if (!ready.test(line)) return;
        clearTimeout(timer);
        child.off('close', fail);
        resolve(undefined);
      };
      child.once('error', fail);
      child.once('close', fail);
      createInterface({ input: child.stderr }).on('line', hear(complained));
      createInterface({ input: child.stdout }).on('line', hear(said));
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, said: complained, stop };
}
