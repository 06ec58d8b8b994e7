// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const READY_LIMIT_MS = 15_000;
const STOP_LIMIT_MS = 5_000;

/**
 * One way to watch the lab while it is loaded.
 *
 * @typedef {object} Observer
 * @property {string} name
 * @property {readonly ObserverProcess[]} processes
 *
 * @typedef {object} ObserverProcess
 * @property {readonly [string, ...string[]]} command
 * @property {RegExp} ready in a line of its standard error, once it watches
 *
 * @typedef {object} Started
 * @property {readonly number[]} pids
 * @property {number} readyMs from the start of the first process until all watch
 * @property {() => Promise<number>} stop tells them to end; milliseconds until they are gone
 */

/**
 * Start all processes of an observer; resolves when every one of them watches.
 *
 * @param {Observer} observer
 * @returns {Promise<Started>}
 */
export async function startObserver(observer) {
  const started = performance.now();
  const children = observer.processes.map(({ command: [file, ...args] }) =>
    spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] }),
  );
  const stop = async () => {
    const told = performance.now();
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = once(child, 'exit');
        child.kill('SIGINT');
        const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
        await ended;
        clearTimeout(timer);
      }),
    );
    return performance.now() - told;
  };
  try {
    await Promise.all(
      children.map((child, index) => untilReady(child, observer.processes[index]?.ready ?? /./)),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    pids: children.flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    readyMs: performance.now() - started,
    stop,
  };
}

/**
 * @param {import('node:child_process').ChildProcessByStdio<null, null, import('node:stream').Readable>} child
 * @param {RegExp} ready
 * @returns {Promise<void>}
 */
function untilReady(child, ready) {
  return new Promise((resolve, reject) => {
    /** @type {string[]} */
    const said = [];
    const fail = () => {
      clearTimeout(timer);
      reject(new Error(`${child.spawnargs.join(' ')} did not get ready:\n${said.join('\n')}`));
    };
    const timer = setTimeout(fail, READY_LIMIT_MS);
    child.once('error', fail);
    child.once('exit', fail);
    // Reading on after it is ready keeps the pipe from filling up.
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (said.length < 20) said.push(line);
      if (!ready.test(line)) return;
      clearTimeout(timer);
      child.off('exit', fail);
      resolve();
    });
  });
}
