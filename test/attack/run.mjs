#!/usr/bin/env node
// @ts-check
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { join } from 'node:path';
import { argv, getuid, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { onEnd, undoAll } from '../bench/cleanup.mjs';
import { table } from '../bench/report.mjs';
import { makeChain, removeChain } from './chain.mjs';

const HELP = `Usage: npm run attack -- [options]

Attacks a real \`hopscope serve\` over sockets and with floods of real packets, prints one table
of figures with their bounds, and ends with status 1 where a bound does not hold. Takes some
fifteen minutes. Needs root; makes network namespaces hs-attack-* and removes them.

  --only PART,…   losses   hops lost beside a flood while the API is asked in loops
                  clients  what clients can do to the process that serves
                  memory   more flows than fit, with readers, at 384M, 512M and 1G
  --quick         does it run? in some two minutes
  -h, --help      this text
`;
const PARTS = /** @type {const} */ (['losses', 'clients', 'memory']);

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

/** @param {string} line */
const report = (line) => stderr.write(`attack: ${line}\n`);

async function attack() {
  const wanted = values.only?.split(',') ?? [...PARTS];
  const unknown = wanted.filter((part) => !PARTS.some((name) => name === part));
  if (unknown.length > 0) {
    stderr.write(`attack: there is no part ${unknown.join(', ')}; see --help\n`);
    return 2;
  }
  if (getuid?.() !== 0) {
    stderr.write('attack: this makes network namespaces: run it as root\n');
    return 3;
  }
  const removed = onEnd(removeChain);
  try {
    makeChain();
    const rows = [];
    // It takes npm packages, which a fresh checkout gets before this runs.
    const parts = await import('./parts.mjs');
    for (const name of PARTS) {
      if (!wanted.includes(name)) continue;
      report(`part ${name}`);
      rows.push(...(await parts[name]({ quick: values.quick, report })));
    }
    const lines = rows.map(({ attack: what, figure, value, bound, holds }) => [
      ...[what, figure, value, bound, holds ? 'yes' : 'NO'],
    ]);
    stdout.write(`${availableParallelism()} cores, kernel ${release()}\n\n`);
    stdout.write(`${table([['attack', 'measured', 'value', 'bound', 'holds'], ...lines], 5)}\n`);
    mkdirSync(join(ROOT, 'test-results'), { recursive: true });
    writeFileSync(join(ROOT, 'test-results', 'attack.json'), JSON.stringify(rows, null, 2));
    return rows.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    removed();
    undoAll();
  }
}

if (values.help) stdout.write(HELP);
else process.exitCode = await attack();
