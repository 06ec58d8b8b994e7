// @ts-check
import { join } from 'node:path';
import { execPath } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { record } from './joining.mjs';
import { scratch } from './load-program.mjs';
import { FIRST_PORT, send, startSink } from './loads.mjs';
import { output } from './processes.mjs';

const TRACED = fileURLToPath(new URL('memory-child.mjs', import.meta.url));
const COUNTED = fileURLToPath(new URL('counted-child.mjs', import.meta.url));
/** A round takes a few milliseconds, less than what may hold up the event loop. */
const FLOWS_A_ROUND = 25;
/** Until all that was sent has been drained and written. */
const DRAIN_MS = 500;
/** Heap of the process that is filled, MiB: what it needs above this, it does not have. */
const HEAP_MIB = 2_500;
const WORDS_KEPT = 160;

/**
 * @typedef {object} MemoryRow
 * @property {'counted' | 'traced'} seen whether each flow is only counted, or each packet traced
 * @property {number} wanted flows
 * @property {string | null} failure why there is no figure
 * @property {MemoryFigures | null} figures
 *
 * @typedef {object} MemoryFigures
 * @property {number} flows in the table at the end
 * @property {number} [hops] joined for them, where they are traced
 * @property {number} seconds
 * @property {{ rss: number, heapUsed: number }} before bytes, before the first flow
 * @property {{ rss: number, heapUsed: number }} after bytes, with all
 * @property {number} peakRss bytes
 * @property {number} loopP99Ms delay of the event loop
 * @property {number} loopMostMs
 */

/**
 * What so many flows take of the process that joins and keeps them.
 *
 * @param {import('./cluster.mjs').Way} way
 * @param {readonly number[]} sizes
 * @param {number} limitSeconds for each
 * @param {(line: string) => void} report
 * @returns {Promise<readonly MemoryRow[]>}
 */
export async function benchMemory(way, sizes, limitSeconds, report) {
  const file = join(scratch(), 'flows.hops');
  await recordFlows(file, way);
  /** @type {MemoryRow[]} */
  const rows = [];
  for (const wanted of sizes) {
    for (const row of [
      await measure('counted', wanted, [COUNTED, String(wanted)], limitSeconds),
      await measure(
        'traced',
        wanted,
        [TRACED, file, way.source, String(wanted), String(FLOWS_A_ROUND)],
        limitSeconds,
      ),
    ]) {
      const kept = row.failure ?? `${row.figures?.flows} in the table`;
      report(`memory, ${wanted} flows, ${row.seen}: ${kept}`);
      rows.push(row);
    }
  }
  return rows;
}

/**
 * One datagram of each of a few flows, right after each other.
 *
 * @param {string} file
 * @param {import('./cluster.mjs').Way} way
 */
async function recordFlows(file, way) {
  const sink = await startSink(way);
  try {
    await record(file, async () => {
      await send(way, 'probe', [FLOWS_A_ROUND, 0, FIRST_PORT], 1);
      await delay(DRAIN_MS);
    });
  } finally {
    await sink.stop();
  }
}

/**
 * @param {MemoryRow['seen']} seen
 * @param {number} wanted
 * @param {readonly string[]} child and its arguments
 * @param {number} limitSeconds
 * @returns {Promise<MemoryRow>}
 */
async function measure(seen, wanted, child, limitSeconds) {
  try {
    const text = await output(
      [execPath, '--expose-gc', `--max-old-space-size=${HEAP_MIB}`, ...child],
      { timeoutMs: limitSeconds * 1000 },
    );
    return { seen, wanted, failure: null, figures: JSON.parse(text) };
  } catch (error) {
    return { seen, wanted, failure: failureText(error, limitSeconds), figures: null };
  }
}

/**
 * In a few words, why a child came to no figure.
 *
 * @param {unknown} error
 * @param {number} limitSeconds
 */
export function failureText(error, limitSeconds) {
  const { killed, stderr, message } =
    /** @type {{ killed?: boolean, stderr?: string, message?: string }} */ (error);
  if (killed === true) return `not done after ${limitSeconds} s`;
  if (stderr?.includes('heap out of memory')) return `more than ${HEAP_MIB} MiB of heap`;
  const last =
    stderr
      ?.trim()
      .split('\n')
      .find((line) => /Error/.test(line)) ??
    message ??
    '';
  return last.slice(0, WORDS_KEPT);
}
