#!/usr/bin/env node
// @ts-check
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { argv, env, execPath, stderr, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { ROOT } from '../../src/setup/bootstrap.mjs';

const USAGE = `gives hopscope what nobody meant it to get, and checks what it makes of it

  --target NAME   only this one; may be given several times
  --count N       inputs of each target; without it 10,000,000
  --seconds N     at most so long for each
  --seed N        the same inputs as the run that printed this seed
  --from N        the first input; with --count it repeats a failure
  --guided        go on from inputs that reach code no other did
  --jobs N        targets at a time; without it, as many as there are cores
  --list          print the targets
  --make-seeds    write test/fuzz/corpus/*/seeds.hex anew, after a change of what they are made of

HOPSCOPE_FUZZ_SECONDS is --seconds, for scripts.
`;
const COUNT = 10_000_000;
/** One that prints nothing for so long is stuck. */
const SILENCE_SECONDS = 120;
const FOLDER = join('test-results', 'fuzz');
const BUNDLE = join(FOLDER, 'main.mjs');

/** @param {string | undefined} text @param {string} name @param {number} fallback */
function number(text, name, fallback) {
  if (text === undefined || text === '') return fallback;
  if (!/^\d+(\.\d+)?$/.test(text)) throw new TypeError(`${name} is no number: '${text}'`);
  return Number(text);
}

/** One module of it all: as fast as the product is, and not as the test runner makes it. */
async function bundle() {
  mkdirSync(join(ROOT, FOLDER), { recursive: true });
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: ROOT,
    entryPoints: [join('test', 'fuzz', 'main.ts')],
    outfile: BUNDLE,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    external: ['ebpf-ts', 'ws'],
    logLevel: 'warning',
  });
}

/** The sanitizers are for who loads the addon, and not for the compiler before. */
function preloaded() {
  const library = env['HOPSCOPE_PRELOAD'];
  return library === undefined ? {} : { LD_PRELOAD: library };
}

/**
 * @param {string} name
 * @param {readonly string[]} args
 * @returns {Promise<number>} exit status
 */
function runTarget(name, args) {
  return new Promise((resolve) => {
    const child = spawn(execPath, ['--enable-source-maps', BUNDLE, name, ...args], {
      cwd: ROOT,
      env: { ...env, ...preloaded() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let last = 'nothing';
    /** @type {NodeJS.Timeout | undefined} */
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => {
        stderr.write(`${name}: silent for ${SILENCE_SECONDS} s after: ${last}\n`);
        child.kill('SIGKILL');
      }, SILENCE_SECONDS * 1000);
    };
    heard();
    createInterface({ input: child.stdout }).on('line', (line) => {
      last = line;
      heard();
      stdout.write(`${line}\n`);
    });
    child.stderr.pipe(stderr, { end: false });
    child.on('close', (status, signal) => {
      clearTimeout(silence);
      if (signal !== null) stderr.write(`${name}: ended by ${signal} after: ${last}\n`);
      resolve(status ?? 1);
    });
  });
}

async function main() {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      target: { type: 'string', multiple: true },
      count: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string' },
      from: { type: 'string' },
      jobs: { type: 'string' },
      guided: { type: 'boolean' },
      list: { type: 'boolean' },
      'make-seeds': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    stdout.write(USAGE);
    return 0;
  }
  const seconds = values.seconds ?? env['HOPSCOPE_FUZZ_SECONDS'];
  const args = [
    number(values.seed, '--seed', randomInt(2 ** 32)),
    number(values.from, '--from', 0),
    number(values.count, '--count', COUNT),
    number(seconds, '--seconds', 1e9),
    values.guided ? 'guided' : 'blind',
  ].map(String);
  const jobs = Math.max(1, number(values.jobs, '--jobs', availableParallelism()));
  await bundle();
  if (values['make-seeds']) return runTarget('seeds', []);
  const names = await targetNames();
  if (values.list) {
    stdout.write(`${names.join('\n')}\n`);
    return 0;
  }
  // The addon's is for a process of its own, and root: see asan.mjs.
  const unknown = (values.target ?? []).filter((name) => ![...names, 'addon'].includes(name));
  if (unknown.length > 0) throw new TypeError(`no target ${unknown.join(', ')}; see --list`);
  const waiting = [...(values.target ?? names)];
  /** @type {string[]} */
  const failed = [];
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        if ((await runTarget(name, args)) !== 0) failed.push(name);
      }
    }),
  );
  stdout.write(failed.length === 0 ? 'all held\n' : `failed: ${failed.join(', ')}\n`);
  return failed.length === 0 ? 0 : 1;
}

/** @returns {Promise<string[]>} */
async function targetNames() {
  /** @type {string[]} */
  const names = [];
  const child = spawn(execPath, [BUNDLE, 'list'], { cwd: ROOT });
  createInterface({ input: child.stdout }).on('line', (line) => names.push(line));
  await new Promise((resolve) => child.on('close', resolve));
  return names;
}

try {
  process.exitCode = await main();
} catch (error) {
  stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  process.exitCode = 2;
}
