// @ts-check
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { argv, stdout } from 'node:process';
import { fillFlows, readTemplate } from './fill-flows.mjs';

/*
 * node --expose-gc memory-child.mjs FILE SOURCE FLOWS FLOWS_A_ROUND
 *
 * A process of its own, so that what remains of one size is not counted for the next
 * and running out of memory ends nothing else. One JSON object on standard output.
 */

const RESOLUTION_MS = 5;
const [file = '', source = '', flows, flowsARound] = argv.slice(2);

/** Without what could be collected; the two are the same for the heap after a collection. */
const memory = () => {
  globalThis.gc?.();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { rss, heapUsed, external, arrayBuffers };
};

const template = readTemplate(file, source);
const before = memory();
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
loop.enable();
const started = performance.now();
const filled = await fillFlows(template, Number(flows), Number(flowsARound));
const seconds = (performance.now() - started) / 1000;
loop.disable();
const peakRss = process.resourceUsage().maxRSS * 1024;
const after = memory();
stdout.write(
  `${JSON.stringify({
    wanted: filled.wanted,
    flows: filled.flows,
    hops: filled.hops,
    seconds,
    before,
    after,
    peakRss,
    // What the monitor measures includes its own waiting time.
    loopP99Ms: Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION_MS),
    loopMostMs: Math.max(0, loop.max / 1e6 - RESOLUTION_MS),
  })}\n`,
);
