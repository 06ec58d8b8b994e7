// @ts-check
import { join } from 'node:path';
import { execPath } from 'node:process';
import { compiled } from './cluster.mjs';
import { scratch } from './load-program.mjs';
import { FIRST_PORT, PAYLOAD_BYTES, send, startSink } from './loads.mjs';
import { startObserver } from './observer.mjs';
import { MAIN } from './observers.mjs';
import { output } from './processes.mjs';
import { median } from './statistics.mjs';

/** @type {typeof import('../../src/pipeline.js')} */
const { Pipeline } = await compiled('pipeline.js');
/** @type {typeof import('../../src/source/recording.js')} */
const { Recording } = await compiled('source/recording.js');
/** @type {typeof import('../../src/source/replay-source.js')} */
const { ReplaySource } = await compiled('source/replay-source.js');

/** Passes before the ones that count: the first run interpreted code. */
const WARM_UP_PASSES = 3;
/** Hops a measurement takes at least; a shorter recording is played more than once. */
const HOPS_A_PASS = 300_000;
/** Packets a second of the flood that is recorded: few enough that the file keeps up. */
const FLOOD_RATE = 2_000;
const FLOOD_SECONDS = 4;
/** Longest mix: a recording is held in memory. */
const MIX_GRACE_MS = 60_000;

/**
 * @typedef {object} Joined
 * @property {string} load
 * @property {number} hopsPerSecond of one core's time, the median of the passes
 * @property {number} least
 * @property {number} most
 * @property {number} hops in the recording
 * @property {number} paths
 * @property {number} flows
 * @property {number} lost while it was recorded
 */

/**
 * Records the lab's own mix of traffic and one stream of small datagrams, and measures
 * how fast each is joined.
 *
 * @param {{ passes: number, seconds: number, way: import('./cluster.mjs').Way }} plan
 * @returns {Promise<readonly Joined[]>}
 */
export async function benchJoining({ passes, seconds, way }) {
  const mix = join(scratch(), 'mix.hops');
  const flood = join(scratch(), 'flood.hops');
  await record(mix, () =>
    output([execPath, MAIN, 'lab', 'traffic', '--quiet', '--duration', `${seconds}s`], {
      timeoutMs: seconds * 1000 + MIX_GRACE_MS,
    }),
  );
  const floodSeconds = Math.min(seconds, FLOOD_SECONDS);
  await record(flood, () => datagrams(way, { flows: 1, seconds: floodSeconds, rate: FLOOD_RATE }));
  return [
    await measureJoining('mixed traffic', mix, passes),
    await measureJoining('small datagrams', flood, passes),
  ];
}

/**
 * Datagrams at a pace, taken at their end.
 *
 * @param {import('./cluster.mjs').Way} way
 * @param {{ flows: number, seconds: number, rate: number }} pace
 */
async function datagrams(way, { flows, seconds, rate }) {
  const sink = await startSink(way);
  try {
    await send(way, 'udp', [flows, seconds, rate, PAYLOAD_BYTES, FIRST_PORT], seconds);
  } finally {
    await sink.stop();
  }
}

/**
 * @param {string} file
 * @param {() => Promise<unknown>} load
 */
export async function record(file, load) {
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
 * Hops a second that one core decodes and joins into paths and flows, from a
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
  const plays = Math.max(1, Math.ceil(HOPS_A_PASS / Math.max(1, seen.hops)));
  for (let pass = -WARM_UP_PASSES; pass < passes; pass += 1) {
    const before = process.cpuUsage();
    let hops = 0;
    for (let i = 0; i < plays; i += 1) {
      seen = await play(recording);
      hops += seen.hops;
    }
    const used = process.cpuUsage(before);
    if (pass >= 0) rates.push((hops * 1e6) / (used.user + used.system));
  }
  return {
    load,
    hopsPerSecond: Math.round(median(rates)),
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
  // A pipeline's events are hops, however many of them the kernel put into one record.
  return { hops: Number(events), paths, flows };
}
