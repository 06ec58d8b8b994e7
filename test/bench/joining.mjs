// @ts-check
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { median } from './statistics.mjs';

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

/** Passes before the ones that count: the first runs interpreted code. */
const WARM_UP_PASSES = 2;

/**
 * Records a second that one core decodes and joins into paths and flows, from a
 * recording held in memory: all of the daemon but the drain and the clients.
 *
 * @param {string} file a recording
 * @param {number} passes
 * @returns {Promise<{ eventsPerSecond: number, events: number, paths: number, flows: number,
 *   cores: number }>}
 */
export async function measureJoining(file, passes) {
  const recording = Recording.read(file);
  /** @type {number[]} */
  const rates = [];
  let seen = { events: 0, paths: 0, flows: 0 };
  for (let pass = -WARM_UP_PASSES; pass < passes; pass += 1) {
    const source = new ReplaySource(recording, { paced: false });
    let paths = 0;
    const pipeline = new Pipeline(source, {
      onPath: () => {
        paths += 1;
      },
    });
    const before = process.cpuUsage();
    await pipeline.start();
    await source.finished;
    const used = process.cpuUsage(before);
    const { events, flows } = pipeline.quality();
    seen = { events: Number(events), paths, flows };
    if (pass >= 0) rates.push((Number(events) * 1e6) / (used.user + used.system));
  }
  return { eventsPerSecond: median(rates), ...seen, cores: availableParallelism() };
}
