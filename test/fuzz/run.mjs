#!/usr/bin/env node
// @ts-check
import { spawnSync } from 'node:child_process';
import { argv, env, execPath, exit, stderr } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `fuzz the decoders of records and packets

  --seconds N   for each decoder; without it, 60
  --runs N      at most so many inputs for each decoder
  --seed N      the same inputs as the run that printed this seed
  --run N       only this input of that seed
`;

/** @returns {Record<string, string>} */
function settings() {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      seconds: { type: 'string' },
      runs: { type: 'string' },
      seed: { type: 'string' },
      run: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    stderr.write(USAGE);
    exit(0);
  }
  /** @type {Record<string, string>} */
  const set = {};
  for (const name of /** @type {const} */ (['seconds', 'runs', 'seed', 'run'])) {
    const value = values[name];
    if (value === undefined) continue;
    if (!/^\d+(\.\d+)?$/.test(value)) throw new TypeError(`--${name} is no number: '${value}'`);
    set[`HOPSCOPE_FUZZ_${name.toUpperCase()}`] = value;
  }
  if (values.seconds === undefined && values.runs === undefined && values.run === undefined) {
    set['HOPSCOPE_FUZZ_SECONDS'] = env['HOPSCOPE_FUZZ_SECONDS'] ?? '60';
  }
  return set;
}

try {
  const set = settings();
  const timeout = Number(set['HOPSCOPE_FUZZ_SECONDS'] ?? 0) * 1000 + 120_000;
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
  const { status } = spawnSync(
    execPath,
    [vitest, 'run', '--project', 'fuzz', `--testTimeout=${timeout}`],
    { cwd: root, stdio: 'inherit', env: { ...env, ...set } },
  );
  exit(status ?? 1);
} catch (error) {
  stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  exit(2);
}
