#!/usr/bin/env node
// @ts-check
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { cpuSeconds, metricValue } from './daemon-cost.mjs';
import { measureJoining } from './joining.mjs';
import { startObserver } from './observer.mjs';
import { median, ratioOfMedians } from './statistics.mjs';
import { measureThroughput } from './throughput.mjs';

const HELP = `npm run bench -- [--rounds N] [--seconds N] [--only throughput|joining]

What watching costs, on the lab: packets of 64 bytes a second from pod1 to pod3 with
nobody watching, with hopscope, and with tcpdump on the same devices, taking turns in
one run; and the records a second that one core drains, decodes and joins.
Writes test-results/bench.json as well.
`;

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');
const METRICS_PORT = 17677;

/** Every device between pod1 and pod3, as [namespace, device]. */
const PATH = [
  ['pod1', 'eth0'],
  ['node111', 'calice0906292e2'],
  ['node111', 'vxlan.calico'],
  ['node111', 'ens10'],
  ['node112', 'ens10'],
  ['node112', 'vxlan.calico'],
  ['node112', 'cali118af4ccd16'],
  ['pod3', 'eth0'],
];

/** @type {import('./observer.mjs').Observer} */
const NOBODY = { name: 'nobody', processes: [] };
/** @type {import('./observer.mjs').Observer} */
const HOPSCOPE = {
  name: 'hopscope',
  processes: [
    {
      command: [execPath, MAIN, 'serve', '--port', String(METRICS_PORT)],
      ready: /^ready$/,
    },
  ],
};
/** @type {import('./observer.mjs').Observer} */
const TCPDUMP = {
  name: 'tcpdump',
  processes: PATH.map(([netns = '', device = '']) => ({
    command: [
      'ip',
      ...['netns', 'exec', netns, 'tcpdump', '-n', '-i', device, '-s', '128', '-w', '/dev/null'],
    ],
    ready: /listening on/,
  })),
};

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});

/** @param {string} line */
const report = (line) => stderr.write(`bench: ${line}\n`);

/** @param {readonly string[]} args */
const lab = (args) => execFileSync(execPath, [MAIN, 'lab', ...args], { stdio: 'inherit' });

/** @param {{ rounds: number, seconds: number }} size */
async function benchThroughput({ rounds, seconds }) {
  const rates = await measureThroughput(
    {
      from: 'pod1',
      to: 'pod3',
      address: '10.244.146.205',
      seconds,
      rounds,
      observers: [NOBODY, HOPSCOPE, TCPDUMP],
    },
    report,
  );
  const base = rates.get(NOBODY.name) ?? [];
  return [...rates].map(([observer, each]) => ({
    observer,
    packetsPerSecond: Math.round(median(each)),
    ...ratioOfMedians(each, base),
    rounds: each.map(Math.round),
  }));
}

/** A daemon under the same load: what it took in, what it lost, what it used. @param {number} seconds */
async function benchDaemon(seconds) {
  const metrics = async () => (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
  /** @type {number | undefined} */
  let pid;
  const stop = await startObserver(HOPSCOPE, (started) => {
    pid = started;
  });
  try {
    if (pid === undefined) throw new Error('hopscope serve has no process');
    const [before, cpuBefore] = [await metrics(), await cpuSeconds(pid)];
    await measureThroughput(
      {
        from: 'pod1',
        to: 'pod3',
        address: '10.244.146.205',
        seconds,
        rounds: 1,
        observers: [NOBODY],
      },
      () => {},
    );
    const [after, cpuAfter] = [await metrics(), await cpuSeconds(pid)];
    const events =
      metricValue(after, 'hopscope_events_total') - metricValue(before, 'hopscope_events_total');
    const lost =
      metricValue(after, 'hopscope_events_lost_total') -
      metricValue(before, 'hopscope_events_lost_total');
    return {
      events,
      lost,
      cpuSeconds: cpuAfter - cpuBefore,
      eventsPerCoreSecond: Math.round(events / (cpuAfter - cpuBefore)),
    };
  } finally {
    await stop();
  }
}

async function benchJoining() {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-bench-'));
  const file = join(folder, 'load.rec');
  try {
    const stop = await startObserver({
      name: 'record',
      processes: [{ command: [execPath, MAIN, 'record', file], ready: /^ready$/ }],
    });
    lab(['traffic', '--duration', '10s']);
    await stop();
    return await measureJoining(file, 7);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main() {
  if (values.help) {
    stdout.write(HELP);
    return;
  }
  const size = { rounds: Number(values.rounds), seconds: Number(values.seconds) };
  if (!(size.rounds >= 1 && size.seconds >= 1)) throw new RangeError(HELP);
  lab(['up', '--encap', 'vxlan']);
  try {
    const result = {
      machine: { kernel: release(), cpu: cpus()[0]?.model ?? null, cores: cpus().length },
      throughput: values.only === 'joining' ? null : await benchThroughput(size),
      daemon: values.only === 'joining' ? null : await benchDaemon(size.seconds),
      joining: values.only === 'throughput' ? null : await benchJoining(),
    };
    const results = join(ROOT, 'test-results');
    if (!existsSync(results)) mkdirSync(results);
    writeFileSync(join(results, 'bench.json'), `${JSON.stringify(result, null, 2)}\n`);
    stdout.write(render(result));
  } finally {
    lab(['down']);
  }
}

/**
 * @param {{ throughput: Awaited<ReturnType<typeof benchThroughput>> | null,
 *   daemon: Awaited<ReturnType<typeof benchDaemon>> | null,
 *   joining: Awaited<ReturnType<typeof measureJoining>> | null }} result
 */
function render({ throughput, daemon, joining }) {
  let text = '';
  for (const each of throughput ?? []) {
    text +=
      `${each.observer.padEnd(10)} ${String(each.packetsPerSecond).padStart(8)} packets/s  ` +
      `ratio ${each.ratio.toFixed(2)} (${each.least.toFixed(2)} to ${each.most.toFixed(2)})\n`;
  }
  if (daemon !== null) {
    text +=
      `daemon     ${String(daemon.eventsPerCoreSecond).padStart(8)} records per core second drained, ` +
      `decoded and joined; ${daemon.events} taken in, ${daemon.lost} lost\n`;
  }
  if (joining !== null) {
    text +=
      `joining    ${String(Math.round(joining.eventsPerSecond)).padStart(8)} records/s on one core ` +
      `(${joining.events} records, ${joining.paths} paths, ${joining.flows} flows)\n`;
  }
  return text;
}

await main();
