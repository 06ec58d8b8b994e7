#!/usr/bin/env node
// @ts-check
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env, execPath, stdout } from 'node:process';
import { bootstrap, ROOT, reportFailure } from '../../src/setup/bootstrap.mjs';
import { runChild } from '../../src/setup/child-process.mjs';

const HELP = `npm run faults [-- FILE...]

What goes wrong on purpose, on this kernel, and the modules of kernels 6.12 and 6.1 in guests. Takes
some 15 minutes. Prints a table of faults and outcomes, and writes it to test-results/faults.md.

  FILE      some of test/faults/ alone, such as kill or slow/pressure
  --here    no guests
`;

const LIMIT_SECONDS = 1200;
const LAB_LOCK = join(tmpdir(), 'hopscope-lab.lock');
const FILES = ['kill', 'place', 'slow/place', 'slow/pressure', 'slow/load', 'slow/change'];
const GUEST_FILE = 'test/faults/slow/modules.test.ts';
const RESULTS = join(ROOT, 'test-results');
const OUTCOMES = join(RESULTS, 'faults.jsonl');

/** @param {string} line */
const print = (line) => stdout.write(`${line}\n`);

/** @param {string} file */
async function runFile(file) {
  const vitest = [
    ...[join('node_modules', 'vitest', 'vitest.mjs'), 'run', '--project', 'faults'],
    `test/faults/${file}.test.ts`,
  ];
  // One file at a time: others wait for the lab meanwhile.
  const args = ['-w', String(LIMIT_SECONDS), LAB_LOCK, execPath, ...vitest];
  const { status } = await runChild('flock', args, {
    ...{ cwd: ROOT, inherit: true, limitSeconds: 2 * LIMIT_SECONDS },
    env: { ...env, HOPSCOPE_FAULTS: '1' },
  });
  return status === 0;
}

/** @param {string} kernel */
async function runGuest(kernel) {
  const args = ['test/guest/run.mjs', kernel, 'test', 'faults', GUEST_FILE];
  const { status } = await runChild(execPath, args, {
    ...{ cwd: ROOT, inherit: true, limitSeconds: LIMIT_SECONDS },
  });
  return status === 0;
}

/** @returns {{ fault: string, outcome: string }[]} */
function outcomes() {
  try {
    const lines = readFileSync(OUTCOMES, 'utf8').trim().split('\n');
    return lines.map((line) => JSON.parse(line));
  } catch {
    return [];
  }
}

async function main() {
  const words = argv.slice(2);
  if (words.includes('--help') || words.includes('-h')) {
    stdout.write(HELP);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    print('faults: cannot run, it loads kernel programs and makes namespaces: run as root');
    return 3;
  }
  const chosen = words.filter((word) => !word.startsWith('--'));
  mkdirSync(RESULTS, { recursive: true });
  rmSync(OUTCOMES, { force: true });
  try {
    await bootstrap({ test: true });
  } catch (error) {
    return reportFailure(error);
  }
  /** @type {string[]} */
  const failed = [];
  for (const file of chosen.length > 0 ? chosen : FILES) {
    if (!(await runFile(file))) failed.push(file);
  }
  /** @type {string[]} */
  const rows = outcomes().map(({ fault, outcome }) => `| ${fault} | ${outcome} |`);
  if (chosen.length === 0 && !words.includes('--here')) {
    for (const kernel of ['6.12', '6.1']) {
      const held = await runGuest(kernel);
      if (!held) failed.push(`modules on ${kernel}`);
      rows.push(
        `| modules loaded and unloaded, ${kernel} | ${held ? 'each packet is one path' : 'FAILED'} |`,
      );
    }
  }
  const table = ['| fault | outcome |', '| --- | --- |', ...rows].join('\n');
  writeFileSync(join(RESULTS, 'faults.md'), `${table}\n`);
  print(`\n${table}`);
  for (const file of failed) print(`FAILED: ${file}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
