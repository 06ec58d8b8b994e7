#!/usr/bin/env node
// @ts-check
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env, execPath, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { metricValue } from './daemon-cost.mjs';
import { benchJoining } from './joining.mjs';
import { renderJoining, renderThroughput } from './report.mjs';
import { median, ratioOfMedians } from './statistics.mjs';
import { measureThroughput } from './throughput.mjs';

const HELP = `npm run bench -- [--quick] [--rounds N] [--seconds N] [--only throughput|joining]

What watching costs, on the lab: packets of 64 bytes a second from pod1 to pod3 with
nobody watching, with hopscope, and with tcpdump on the same devices, taking turns in
one run; and the records a second that one core decodes and joins. --quick: 2 rounds
of 2 seconds. Writes test-results/bench.json as well.
`;

const MAIN = join(ROOT, 'dist', 'cli', 'main.js');
const METRICS_PORT = 17677;
const LAB_LOCK = join(tmpdir(), 'hopscope-lab.lock');
const LAB_WAIT_SECONDS = 1200;
const ENDS = { from: 'pod1', to: 'pod3', address: '10.244.146.205' };
const JOINING_PASSES = 5;

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
const SERVE = {
  name: 'serve',
  processes: [
    { command: [execPath, MAIN, 'serve', '--port', String(METRICS_PORT)], ready: /^ready$/ },
  ],
};
/** @type {import('./observer.mjs').Observer} */
const TRACE = {
  name: 'trace --json',
  processes: [{ command: [execPath, MAIN, 'trace', '--json'], ready: /^ready$/ }],
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
    quick: { type: 'boolean' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});

/** @param {string} line */
const report = (line) => stderr.write(`bench: ${line}\n`);

/** @param {readonly string[]} args */
const lab = (args) =>
  execFileSync(execPath, [MAIN, 'lab', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });

/** What a daemon has counted; null for an observer without a page of metrics. @param {import('./observer.mjs').Observer} observer */
async function losses(observer) {
  if (observer !== SERVE) return null;
  const page = await (await fetch(`http://127.0.0.1:${METRICS_PORT}/metrics`)).text();
  return {
    seen: metricValue(page, 'hopscope_events_total'),
    lost: metricValue(page, 'hopscope_events_lost_total'),
  };
}

/** @param {{ rounds: number, seconds: number }} size */
async function benchThroughput(size) {
  const measured = await measureThroughput(
    { ...ENDS, ...size, observers: [NOBODY, SERVE, TRACE, TCPDUMP], losses },
    report,
  );
  const base = (measured.get(NOBODY.name) ?? []).map(({ rate }) => rate);
  return [...measured].map(([observer, rounds]) => {
    const rates = rounds.map(({ rate }) => rate);
    const counted = rounds.flatMap((round) => (round.losses === null ? [] : [round.losses]));
    return {
      observer,
      packetsPerSecond: Math.round(median(rates)),
      ...ratioOfMedians(rates, base),
      rounds: rates.map(Math.round),
      cpu: median(rounds.map(({ cpu }) => cpu)),
      readyMs: Math.round(median(rounds.map(({ readyMs }) => readyMs))),
      stopMs: Math.round(median(rounds.map(({ stopMs }) => stopMs))),
      events:
        counted.length === 0
          ? null
          : {
              seen: counted.reduce((sum, { seen }) => sum + seen, 0),
              lost: counted.reduce((sum, { lost }) => sum + lost, 0),
            },
    };
  });
}

async function main() {
  if (values.help) {
    stdout.write(HELP);
    return;
  }
  const size = {
    rounds: Number(values.rounds ?? (values.quick ? 2 : 5)),
    seconds: Number(values.seconds ?? (values.quick ? 2 : 4)),
  };
  if (!(size.rounds >= 1 && size.seconds >= 1)) throw new RangeError(HELP);
  lab(['up', '--encap', 'vxlan']);
  try {
    const result = {
      machine: { kernel: release(), cpu: cpus()[0]?.model ?? null, cores: cpus().length },
      size,
      throughput: values.only === 'joining' ? null : await benchThroughput(size),
      joining:
        values.only === 'throughput'
          ? null
          : await benchJoining({ ...ENDS, passes: JOINING_PASSES, seconds: values.quick ? 4 : 10 }),
    };
    const results = join(ROOT, 'test-results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'bench.json'), `${JSON.stringify(result, null, 2)}\n`);
    if (result.throughput !== null) stdout.write(renderThroughput(result.throughput));
    if (result.joining !== null) stdout.write(renderJoining(result.joining));
  } finally {
    lab(['down']);
  }
}

/** A machine has one lab: wait for it, and hold it until the end. */
function mainWithLab() {
  const { status } = spawnSync(
    'flock',
    ['-w', String(LAB_WAIT_SECONDS), LAB_LOCK, execPath, ...argv.slice(1)],
    { stdio: 'inherit', env: { ...env, HOPSCOPE_LAB_LOCKED: '1' } },
  );
  process.exitCode = status ?? 1;
}

if (values.help || env['HOPSCOPE_LAB_LOCKED'] === '1') await main();
else mainWithLab();
