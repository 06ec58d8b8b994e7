// @ts-check
import { release } from 'node:os';
import { join } from 'node:path';
import { kernelVersion } from './expected-skips.mjs';
import { readReport } from './read-report.mjs';
import { scenarioTable } from './scenario-table.mjs';
import { fileReports } from './vitest-report.mjs';

/**
 * The table of scenarios by kernel, of the runs whose reports lie in `test-results/`.
 *
 * @param {string} results that folder
 */
export function tableOfRuns(results) {
  const runs = [
    { kernel: 'Debian 6.1', file: join(results, 'guest-6.1', 'report.json') },
    { kernel: 'Debian 6.12', file: join(results, 'guest-6.12', 'report.json') },
    { kernel: `Linux ${kernelVersion(release())}`, file: join(results, 'scenario.json') },
  ].map(({ kernel, file }) => ({ kernel, files: fileReports(readReport(file)) }));
  return scenarioTable(runs);
}
