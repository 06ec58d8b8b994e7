// @ts-check
import { start } from './processes.mjs';

/** Twice what an emulated kernel takes to verify and attach everything. */
const READY_LIMIT_MS = 120_000;

/**
 * One way to watch the lab while it is loaded.
 *
 * @typedef {object} Observer
 * @property {string} name
 * @property {readonly ObserverProcess[]} processes
 * @property {boolean} [daemon] a hopscope with /metrics on METRICS_PORT
 * @property {(words: readonly import('./processes.mjs').Words[]) => import('./metrics.mjs').Counted} [counts]
 *   what its processes say at their end of what they have seen
 *
 * @typedef {object} ObserverProcess
 * @property {import('./processes.mjs').Command} command
 * @property {RegExp} ready in a line of its output, once it watches
 *
 * @typedef {object} Started
 * @property {readonly number[]} pids
 * @property {number} readyMs from the start of the first process until all watch
 * @property {() => Promise<Stopped>} stop asks them to end
 *
 * @typedef {object} Stopped
 * @property {number} stopMs until they were gone
 * @property {readonly import('./processes.mjs').Words[]} words
 */

/**
 * Start all processes of an observer; resolves when every one of them watches.
 *
 * @param {Observer} observer
 * @returns {Promise<Started>}
 */
export async function startObserver(observer) {
  const begun = performance.now();
  const results = await Promise.allSettled(
    observer.processes.map(({ command, ready }) =>
      start(command, { ready, limitMs: READY_LIMIT_MS }),
    ),
  );
  const running = results.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const stop = async () => {
    const asked = performance.now();
    const words = await Promise.all(running.map((each) => each.stop()));
    return { stopMs: performance.now() - asked, words };
  };
  const failed = results.find((each) => each.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    pids: running.map(({ pid }) => pid),
    readyMs: performance.now() - begun,
    stop,
  };
}
