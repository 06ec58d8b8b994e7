#!/usr/bin/env node
// @ts-check
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { argv, execPath, stderr, stdout } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bootstrap, ROOT } from '../../src/setup/bootstrap.mjs';
import { onEnd, undoAll } from '../bench/cleanup.mjs';
import { start } from '../bench/processes.mjs';
import { buildNetwork, removeNetwork, startLoad, WATCHED } from './load.mjs';
import { childWith, measure } from './measure.mjs';
import { judge } from './slope.mjs';

const HELP = `npm run soak [-- --minutes N]

Runs hopscope serve for a long time under a mixed load (a steady stream, connections that live for
one request, namespaces that come and go, a dashboard, a client of the API) and judges the slope of what
its two processes hold, by a robust line after the warm-up. Writes every sample to
test-results/soak.json.

  --minutes N     how long, 30 by default; 480 are eight hours
  --memory SIZE   given to serve, 384M by default, so that its tables are full early
`;

const SAMPLE_MS = 10_000;
/** Tables fill, code is compiled, heaps find their size. */
const WARM_UP_SHARE = 1 / 3;
const WARM_UP_MOST_MS = 10 * 60_000;
const READY_LIMIT_MS = 60_000;

/**
 * Growth an hour that is allowed, besides noise: MiB of memory, else descriptors and the like.
 *
 * @type {Readonly<Record<string, number>>}
 */
const LIMITS = {
  'daemon RSS': 4,
  'daemon heap': 2,
  'daemon descriptors': 2,
  'observer descriptors': 2,
  'observer links': 4,
  'observer maps': 2,
  'daemon threads': 2,
  'server RSS': 4,
  'server heap': 2,
  'server descriptors': 2,
  children: 2,
};

/** @param {string} line */
const print = (line) => stderr.write(`soak: ${line}\n`);

/** @param {number} minutes @param {string} memory */
async function soak(minutes, memory) {
  onEnd(removeNetwork);
  buildNetwork();
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  const daemon = await start(
    [execPath, main, 'serve', '--port', '0', '--memory', memory, ...WATCHED],
    // The address comes before the word, on the same stream.
    { ready: /^ready$/, limitMs: READY_LIMIT_MS },
  );
  try {
    const url = addressIn(daemon.said.join('\n'));
    /** @type {string[]} */
    const ended = [];
    for (const end of startLoad((part) => ended.push(part))) onEnd(end);
    const client = fileURLToPath(new URL('./client.mjs', import.meta.url));
    for (const kind of ['dashboard', 'api']) {
      const child = spawn('setpriv', ['--pdeathsig', 'KILL', execPath, client, url, kind], {
        stdio: 'ignore',
      });
      onEnd(() => child.kill('SIGKILL'));
    }
    const joiner = childWith(daemon.pid, 'joiner-main.js');
    const server = childWith(joiner, 'server-main.js');
    const pids = { observer: daemon.pid, daemon: joiner, server };
    print(`${url}, daemon ${pids.daemon}, server ${pids.server}, ${minutes} minutes`);
    return await sample(pids, url, minutes * 60_000, ended);
  } finally {
    await daemon.stop();
  }
}

/** @param {string} words */
function addressIn(words) {
  const url = /dashboard on (\S+)/.exec(words)?.[1];
  if (url === undefined) throw new Error(`no address in: ${words}`);
  return url;
}

/**
 * @param {import('./measure.mjs').Watched} pids
 * @param {string} url
 * @param {number} lengthMs
 * @param {readonly string[]} ended parts of the load that are no more
 */
async function sample(pids, url, lengthMs, ended) {
  const begun = performance.now();
  /** @type {{ at: number, figures: import('./measure.mjs').Figures }[]} */
  const samples = [];
  while (performance.now() - begun < lengthMs) {
    await delay(SAMPLE_MS);
    if (ended.length > 0) throw new Error(`the load ended: ${ended.join(', ')}`);
    const figures = await measure(pids, url);
    samples.push({ at: (performance.now() - begun) / 1000, figures });
    if (samples.length % 6 === 0) {
      const words = Object.entries(figures).map(([name, value]) => `${name} ${Math.round(value)}`);
      print(`${Math.round((performance.now() - begun) / 60_000)} min: ${words.join(', ')}`);
    }
  }
  if (childWith(pids.daemon, 'server-main.js') !== pids.server)
    throw new Error('the process that serves was restarted');
  return samples;
}

/**
 * @param {Awaited<ReturnType<typeof sample>>} samples
 * @param {number} minutes
 */
function verdicts(samples, minutes) {
  const from = Math.min(minutes * 60 * WARM_UP_SHARE, WARM_UP_MOST_MS / 1000);
  const after = samples.filter(({ at }) => at >= from);
  return Object.entries(LIMITS).map(([name, limit]) =>
    judge(
      name,
      after.map(({ at, figures }) => ({ at, value: figures[name] ?? Number.NaN })),
      limit,
    ),
  );
}

async function main() {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      minutes: { type: 'string', default: '30' },
      memory: { type: 'string', default: '384M' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    stdout.write(HELP);
    return 0;
  }
  const minutes = Number(values.minutes);
  if (!(minutes >= 1)) {
    print('--minutes takes a number, 1 at the least');
    return 2;
  }
  if (process.getuid?.() !== 0) {
    print('needs root: it loads kernel programs and makes namespaces');
    return 3;
  }
  await bootstrap({ test: true });
  try {
    const samples = await soak(minutes, values.memory);
    const judged = verdicts(samples, minutes);
    mkdirSync(join(ROOT, 'test-results'), { recursive: true });
    const file = join(ROOT, 'test-results', 'soak.json');
    const result = { date: new Date().toISOString(), kernel: release(), minutes, judged, samples };
    writeFileSync(file, `${JSON.stringify(result)}\n`);
    stdout.write('| what | first | last | slope an hour | may be noise | limit | holds |\n');
    stdout.write('| --- | --- | --- | --- | --- | --- | --- |\n');
    for (const { name, first, last, anHour, noise, limit, holds } of judged) {
      const cells = [first, last, anHour, noise, limit].map((each) => each.toFixed(1));
      stdout.write(`| ${name} | ${cells.join(' | ')} | ${holds ? 'yes' : 'NO'} |\n`);
    }
    return judged.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    undoAll();
  }
}

process.exitCode = await main();
