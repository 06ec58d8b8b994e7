// @ts-check
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { startObserver } from './observer.mjs';
import { median } from './statistics.mjs';
import { receivedRate } from './throughput.mjs';

const run = promisify(execFile);
const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

/**
 * The compiled stages, as production runs them; the checks know them by their sources.
 *
 * @param {string} path below dist/
 */
const compiled = (path) => import(join(ROOT, 'dist', path));
/** @type {typeof import('../../src/pipeline.js')} */
const { Pipeline } = await compiled('pipeline.js');
/** @type {typeof import('../../src/source/recording.js')} */
const { Recording } = await compiled('source/recording.js');
/** @type {typeof import('../../src/source/replay-source.js')} */
const { ReplaySource } = await compiled('source/replay-source.js');

/** Passes before the ones that count: the first run interpreted code. */
const WARM_UP_PASSES = 3;
/** Records a measurement takes at least; a shorter recording is played more than once. */
const RECORDS_A_PASS = 300_000;
/** Bits a second of the flood that is recorded: few enough that the file keeps up. */
const FLOOD_BITRATE = 1_000_000;

/**
 * @typedef {object} Joined
 * @property {string} load
 * @property {number} eventsPerSecond of one core's time, the median of the passes
 * @property {number} least
 * @property {number} most
 * @property {number} events in the recording
 * @property {number} paths
 * @property {number} flows
 * @property {number} lost while it was recorded
 */

/**
 * Records the lab's own mix of traffic and one stream of small datagrams, and measures
 * how fast each is joined.
 *
 * @param {{ passes: number, seconds: number, from: string, to: string, address: string }} plan
 * @returns {Promise<readonly Joined[]>}
 */
export async function benchJoining({ passes, seconds, ...ends }) {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-bench-'));
  try {
    const mix = join(folder, 'mix.hops');
    const flood = join(folder, 'flood.hops');
    await record(mix, () => run(execPath, [MAIN, 'lab', 'traffic', '--duration', `${seconds}s`]));
    await record(flood, () =>
      receivedRate({ ...ends, seconds: Math.min(seconds, 4), bitrate: FLOOD_BITRATE }),
    );
    return [
      await measureJoining('mixed traffic', mix, passes),
      await measureJoining('small datagrams', flood, passes),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} file
 * @param {() => Promise<unknown>} load
 */
async function record(file, load) {
  const { stop } = await startObserver({
    name: 'record',
    processes: [{ command: [execPath, MAIN, 'record', file], ready: /^ready$/ }],
  });
  try {
    await load();
  } finally {
    await stop();
  }
}

/**
 * Records a second that one core decodes and joins into paths and flows, from a
 * recording held in memory: all of the daemon but the drain and the clients. The time
 * is the whole process's CPU time, the garbage collector's helpers included.
 *
 * @param {string} load what the recording holds
 * @param {string} file a recording
 * @param {number} passes
 * @returns {Promise<Joined>}
 */
export async function measureJoining(load, file, passes) {
  const recording = Recording.read(file);
  /** @type {number[]} */
  const rates = [];
  let seen = await play(recording);
  const plays = Math.max(1, Math.ceil(RECORDS_A_PASS / Math.max(1, seen.events)));
  for (let pass = -WARM_UP_PASSES; pass < passes; pass += 1) {
    const before = process.cpuUsage();
    let events = 0;
    for (let i = 0; i < plays; i += 1) {
      seen = await play(recording);
      events += seen.events;
    }
    const used = process.cpuUsage(before);
    if (pass >= 0) rates.push((events * 1e6) / (used.user + used.system));
  }
  return {
    load,
    eventsPerSecond: Math.round(median(rates)),
    least: Math.round(Math.min(...rates)),
    most: Math.round(Math.max(...rates)),
    ...seen,
    lost: Number(recording.footer.lost),
  };
}

/** @param {import('../../src/source/recording.js').Recording} recording */
async function play(recording) {
  const source = new ReplaySource(recording, { paced: false });
  let paths = 0;
  const pipeline = new Pipeline(source, {
    onPath: () => {
      paths += 1;
    },
  });
  await pipeline.start();
  await source.finished;
  const { events, flows } = pipeline.quality();
  return { events: Number(events), paths, flows };
}
