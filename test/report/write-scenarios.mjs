#!/usr/bin/env node
// @ts-check
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stdout } from 'node:process';
import { ROOT, reportFailure } from '../../src/setup/bootstrap.mjs';
import { tableOfRuns } from './scenario-runs.mjs';
import { sameTables, tableIn, withTable } from './scenario-table.mjs';

/** Writes the table of scenarios by kernel into the README, of the last whole `npm test`. */
const README = join(ROOT, 'README.md');

function main() {
  const { markdown, problems } = tableOfRuns(join(ROOT, 'test-results'));
  for (const problem of problems) stdout.write(`does not hold: ${problem}\n`);
  if (problems.length > 0) {
    stdout.write('README.md is left as it is: npm test has to run on all kernels first\n');
    return 1;
  }
  const readme = readFileSync(README, 'utf8');
  const table = tableIn(readme);
  if (table !== null && sameTables(table, markdown)) {
    stdout.write('README.md has this table already\n');
    return 0;
  }
  writeFileSync(README, withTable(readme, markdown));
  stdout.write('written to README.md\n');
  return 0;
}

try {
  process.exitCode = main();
} catch (error) {
  process.exitCode = reportFailure(error);
}
