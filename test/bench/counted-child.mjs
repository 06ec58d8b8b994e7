// @ts-check
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { argv, stdout } from 'node:process';
import { compiled } from './cluster.mjs';
import { emptyPipeline, fillCounted } from './counted-flows.mjs';

/*
 * node --expose-gc counted-child.mjs FLOWS
 *
 * So many flows that are only counted. A process of its own; one JSON object on standard output.
 */

/** @type {typeof import('../../src/model/memory-budget.js')} */
const { shareOut } = await compiled('model/memory-budget.js');

const RESOLUTION_MS = 5;
/** Enough that no flow has to go. */
const MEMORY = 2 ** 30;
const flows = Number(argv[2]);

const memory = () => {
  globalThis.gc?.();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { rss, heapUsed, external, arrayBuffers };
};

let gcMostMs = 0;
const observer = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) gcMostMs = Math.max(gcMostMs, entry.duration);
});
observer.observe({ entryTypes: ['gc'] });
const before = memory();
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const pipeline = emptyPipeline({ flowLimit: flows + 1_000, memory: shareOut(MEMORY) });
loop.enable();
const started = performance.now();
const { rows, longestMs } = await fillCounted(pipeline, flows);
const seconds = (performance.now() - started) / 1000;
loop.disable();
const gcMs = gcMostMs;
observer.disconnect();
const { rss: rssAtEnd } = process.memoryUsage();
const peakRss = process.resourceUsage().maxRSS * 1024;
const after = memory();
const { size, bytes, counters } = pipeline.flows;
stdout.write(
  `${JSON.stringify({
    ...{ wanted: flows, flows: size, evicted: counters.evicted, estimated: bytes, rows, seconds },
    ...{ before, after, rssAtEnd, peakRss, longestTurnMs: longestMs, gcMostMs: gcMs },
    loopP99Ms: Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION_MS),
    loopMostMs: Math.max(0, loop.max / 1e6 - RESOLUTION_MS),
  })}\n`,
);
