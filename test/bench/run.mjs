#!/usr/bin/env node
// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env, execPath, stderr, stdout } from 'node:process';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { provideSystemPackages } from '../../src/setup/debian-packages.mjs';
import { SetupError } from '../../src/setup/setup-error.mjs';
import { undoAll } from './cleanup.mjs';
import { BenchUsageError, HELP, parseOptions } from './options.mjs';

/**
 * @typedef {import('./options.mjs').BenchOptions} BenchOptions
 *
 * @typedef {object} BenchResult
 * @property {string} date
 * @property {{ kernel: string, cpu: string | null, cores: number }} machine
 * @property {string} encap of the lab
 * @property {{ rounds: number, seconds: number }} size
 * @property {Awaited<ReturnType<typeof import('./startup-part.mjs').benchStartup>> | null} startup
 * @property {Awaited<ReturnType<typeof import('./load-part.mjs').benchLoads>> | null} load
 * @property {readonly import('./kernel-part.mjs').KernelResult[] | null} kernel
 * @property {readonly import('./joining.mjs').Joined[] | null} joining
 * @property {readonly import('./latency-part.mjs').LatencyRow[] | null} latency
 * @property {readonly import('./memory-part.mjs').MemoryRow[] | null} memory
 * @property {BenchResult | null} guest
 * @property {readonly string[]} notes what is not there, and why
 */

const LAB_LOCK = join(tmpdir(), 'hopscope-lab.lock');
const LAB_WAIT_SECONDS = 1200;
const STARTS = 7;
const JOINING_PASSES = 7;
const LATENCY_RATES = [10_000, 100_000];
const LATENCY_SAMPLES = 120;
const MEMORY_SIZES = [1_000, 100_000, 1_000_000];
const MEMORY_LIMIT_SECONDS = 300;
/** An emulated kernel takes some ten times as long. */
const GUEST_ROUNDS = 3;
const GUEST_SECONDS = 5;
const GUEST_LOADS = ['udp-across-1', 'stream-across-1', 'rr-across-1'];

/** @param {string} line */
const report = (line) => stderr.write(`bench: ${line}\n`);

/** @param {BenchOptions} options @returns {Promise<BenchResult>} */
async function measure(options) {
  const { quick, rounds, seconds, encap } = options;
  // Only now: they load what is built.
  const { labUp, waysOf } = await import('./cluster.mjs');
  const { observersOf } = await import('./observers.mjs');
  const { LOADS } = await import('./loads.mjs');
  const ways = waysOf(encap);
  /** @type {string[]} */
  const notes = [];
  /**
   * A part that fails costs only its own figures.
   *
   * @template T
   * @param {import('./options.mjs').Part} name
   * @param {() => Promise<T>} work
   */
  const part = async (name, work) => {
    if (!options.parts.includes(name)) return null;
    report(`part ${name}`);
    return work().catch((error) => {
      notes.push(`${name}: not measured: ${error instanceof Error ? error.message : error}`);
      return null;
    });
  };
  const labDown = labUp(encap);
  const startup = await part('startup', async () =>
    (await import('./startup-part.mjs')).benchStartup(quick ? 2 : STARTS),
  );
  const load = await part('load', async () =>
    (await import('./load-part.mjs')).benchLoads({ ...options, ways }, report),
  );
  const kernel = await part('kernel', async () => {
    const { benchKernel } = await import('./kernel-part.mjs');
    const datagrams = LOADS.find(({ id }) => id === 'udp-across-1');
    if (datagrams === undefined) throw new RangeError('no load of datagrams');
    const plan = { load: datagrams, way: ways.across, seconds };
    const results = [];
    const { observers } = await observersOf(ways.across.devices);
    for (const observer of observers.filter(({ daemon }) => daemon === true)) {
      results.push(await benchKernel(observer, plan));
    }
    return results;
  });
  const joining = await part('joining', async () =>
    (await import('./joining.mjs')).benchJoining({
      passes: quick ? 1 : JOINING_PASSES,
      seconds: quick ? 2 : 10,
      way: ways.across,
    }),
  );
  const latency = await part('latency', async () => {
    const { benchLatency } = await import('./latency-part.mjs');
    const rows = [];
    for (const rate of LATENCY_RATES) {
      const samples = quick ? 20 : LATENCY_SAMPLES;
      rows.push(await benchLatency({ way: ways.same, rate, samples }));
    }
    return rows;
  });
  const memory = await part('memory', async () =>
    (await import('./memory-part.mjs')).benchMemory(
      ways.across,
      quick ? MEMORY_SIZES.slice(0, 1) : MEMORY_SIZES,
      MEMORY_LIMIT_SECONDS,
      report,
    ),
  );
  labDown();
  const guest = options.guest ? await benchInGuest(notes) : null;
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: { kernel: release(), cpu: cpus()[0]?.model ?? null, cores: cpus().length },
    encap,
    size: { rounds, seconds },
    ...{ startup, load, kernel, joining, latency, memory, guest },
    notes: [...notes, ...(load?.notes ?? [])],
  };
}

/** @param {string[]} notes @returns {Promise<BenchResult | null>} */
async function benchInGuest(notes) {
  const { benchGuest } = await import('./guest-part.mjs');
  const size = { rounds: GUEST_ROUNDS, seconds: GUEST_SECONDS, loads: GUEST_LOADS };
  try {
    return await benchGuest(size, report);
  } catch (error) {
    notes.push(`guest: not measured: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}

/** @param {BenchOptions} options */
async function main(options) {
  let result;
  try {
    result = await measure(options);
  } finally {
    undoAll();
  }
  const results = join(ROOT, 'test-results');
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, 'bench.json'), `${JSON.stringify(result, null, 2)}\n`);
  const { renderResult } = await import('./report.mjs');
  stdout.write(renderResult(result));
  if (options.jsonLine) {
    const { JSON_LINE } = await import('./guest-part.mjs');
    stdout.write(`${JSON_LINE}${JSON.stringify(result)}\n`);
  }
}

/** What is only compared with is no reason to measure nothing. @param {BenchOptions} options */
async function providePackages({ parts, jsonLine }) {
  // A guest has this machine's programs, and no network.
  if (jsonLine || !parts.includes('load')) return;
  try {
    await provideSystemPackages(['bench'], report);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    report(error.message);
  }
}

/**
 * A machine has one lab: wait for it, and hold it until the end. `--no-fork`: a signal for
 * flock is then one for the bench; the lock is free when everything it started is gone.
 */
async function mainWithLab() {
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'TERM', 'flock', '--no-fork', '-w', String(LAB_WAIT_SECONDS), LAB_LOCK].concat(
      execPath,
      argv.slice(1),
    ),
    { stdio: 'inherit', env: { ...env, HOPSCOPE_LAB_LOCKED: '1' } },
  );
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => child.kill(signal));
  }
  const [status] = await once(child, 'close');
  process.exitCode = status ?? 1;
}

try {
  const options = parseOptions(argv.slice(2));
  if (options === 'help') stdout.write(HELP);
  else if (env['HOPSCOPE_LAB_LOCKED'] === '1') await main(options);
  else {
    await providePackages(options);
    await mainWithLab();
  }
} catch (error) {
  if (!(error instanceof BenchUsageError)) throw error;
  stderr.write(`bench: ${error.message}\nSee npm run bench -- --help\n`);
  process.exitCode = 2;
}
