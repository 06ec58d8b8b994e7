// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { argv, execPath, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { compiled } from './cluster.mjs';
import { emptyPipeline, fillCounted } from './counted-flows.mjs';
import { playUnended, readTemplate } from './fill-flows.mjs';

/*
 * node overrun-child.mjs MEMORY_MIB FLOWS RECORDING SOURCE PATHS
 *
 * The collector and the process that serves, with a client that watches, given more flows,
 * packets under way and records than fit. What they take is looked at all the while. One JSON
 * object on standard output.
 */

/** @type {typeof import('../../src/serve/server-process.js')} */
const { ServerProcess } = await compiled('serve/server-process.js');
/** @type {typeof import('../../src/cli/unused-memory.js')} */
const { boundUnusedMemory } = await compiled('cli/unused-memory.js');
/** @type {typeof import('../../src/model/memory-budget.js')} */
const { shareOut } = await compiled('model/memory-budget.js');

const CLIENT = fileURLToPath(new URL('watch-client.mjs', import.meta.url));
const RESOLUTION_MS = 5;
const SAMPLE_MS = 20;
const KIB = 1_024;
/** Until the client has what there is to show. */
const WATCH_MS = 3_000;
const [mib, flows, file = '', source = '', rounds] = argv.slice(2);

const memory = shareOut(Number(mib) * 2 ** 20);
boundUnusedMemory(memory.slack);
const pipeline = emptyPipeline({ memory });
const server = await ServerProcess.start({
  collected: {
    feed: pipeline,
    flows: pipeline.flows,
    epochNs: 0n,
    names: pipeline.names,
    catalog: () => pipeline.names.catalog,
    cluster: pipeline.names.cluster,
  },
  info: /** @type {any} */ ({ version: '', node: '', kernel: '', mode: 'live', missing: [] }),
  uiDirectory: '/nonexistent',
  host: '127.0.0.1',
  port: 0,
  allowHosts: [],
  rowBytes: memory.rows,
});
const client = spawn(execPath, [CLIENT, `${server.url.replace('http', 'ws')}/ws`], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
await once(client.stdout, 'data');

/** Resident memory of one process, bytes (proc(5)). @param {number | string | undefined} pid */
function resident(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * KIB;
  } catch {
    return 0;
  }
}
const most = { collector: 0, server: 0, together: 0 };
const look = () => {
  const collector = resident('self');
  const served = resident(server.pid);
  most.collector = Math.max(most.collector, collector);
  most.server = Math.max(most.server, served);
  most.together = Math.max(most.together, collector + served);
};
look();
const idle = { ...most };
const timer = setInterval(look, SAMPLE_MS);
const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
loop.enable();

const { longestMs } = await fillCounted(pipeline, Number(flows));
if (file !== '') await playUnended(readTemplate(file, source), pipeline, Number(rounds));
await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
look();
clearInterval(timer);
loop.disable();
const quality = pipeline.quality();
const metrics = await (await fetch(`${server.url}/metrics`)).text();
client.kill();
await server.close();
const { losses, memory: use } = quality;
stdout.write(
  `${JSON.stringify({
    ...{ total: memory.total, shares: memory, idle, most, longestMs, losses, use },
    flows: quality.flows,
    metrics: metrics.split('\n').filter((line) => /^hopscope_(memory|rows|resident)/.test(line)),
    loopMostMs: Math.max(0, loop.max / 1e6 - RESOLUTION_MS),
  })}\n`,
);
