import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { addSums, emptySum, flakyNote, sumLine, sumReport } from './vitest-report.mjs';

/** Real suites, run by the real runner: what its report says is what must be summed. */
const SUITES = {
  good: `test('a', () => {}); test.skip('b', () => {}); test.todo('c');`,
  bad: `test('a', () => {}); test('b', () => { throw new Error('no'); });`,
  hook: `beforeAll(() => { throw new Error('no'); }); test('a', () => {});`,
  broken: `import './nowhere.js'; test('a', () => {});`,
  flaky: `let tries = 0; test('a', { retry: 1 }, () => { if (++tries < 2) throw new Error('no'); });`,
  property: `test('a', () => { throw new Error('Property failed\\n{ seed: 7, path: "1" }\\nmore'); });`,
  rejection: `test('a', () => {}); Promise.reject(new Error('nobody waits'));`,
};

describe('the reports of real runs', () => {
  let folder: string;
  beforeAll(() => {
    mkdirSync(join(ROOT, 'test-results'), { recursive: true });
    folder = mkdtempSync(join(ROOT, 'test-results', 'vitest-report-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function run(name: keyof typeof SUITES) {
    writeFileSync(
      join(folder, `${name}.test.mjs`),
      `import { beforeAll, test } from 'vitest';\nvoid beforeAll;\n${SUITES[name]}\n`,
    );
    const report = join(folder, `${name}.json`);
    const { status } = spawnSync(
      process.execPath,
      [
        join(ROOT, 'node_modules/vitest/vitest.mjs'),
        'run',
        `${name}.test.mjs`,
        '--root',
        folder,
        '--config',
        '/dev/null',
        '--reporter=json',
        `--outputFile=${report}`,
      ],
      { cwd: folder, encoding: 'utf8', env: { PATH: process.env['PATH'] } },
    );
    return sumReport(JSON.parse(readFileSync(report, 'utf8')), status ?? -1);
  }

  test('passed, skipped and still to do', () => {
    expect(run('good')).toEqual({
      sum: { passed: 1, failed: 0, skipped: 2, flaky: 0 },
      problems: [],
      remarks: [],
      skipped: ['b', 'c'],
    });
  });

  test('a failed test is one failure', () => {
    const { sum, problems } = run('bad');
    expect(sum).toEqual({ passed: 1, failed: 1, skipped: 0, flaky: 0 });
    expect(problems).toContain('failed: b: Error: no');
  });

  test('a test that passed at its second try is flaky, not passed, and is named', () => {
    expect(run('flaky')).toEqual({
      sum: { passed: 0, failed: 0, skipped: 0, flaky: 1 },
      problems: [],
      remarks: ['flaky, passed at a later try: a: Error: no'],
      skipped: [],
    });
  });

  test('of a property its seed is given', () => {
    expect(run('property').problems[0]).toBe(
      'failed: a: Error: Property failed { seed: 7, path: "1" }',
    );
  });

  test('a hook that throws fails though no test did', () => {
    const { sum, problems } = run('hook');
    expect(sum.failed).toBe(1);
    expect(sum.passed).toBe(0);
    expect(problems[0]).toMatch(/hook\.test\.mjs did not run to its end/);
  });

  test('a file that does not load fails', () => {
    const { sum } = run('broken');
    expect(sum).toEqual({ passed: 0, failed: 1, skipped: 0, flaky: 0 });
  });

  test('an unhandled rejection fails though every test passed', () => {
    const { sum, problems } = run('rejection');
    expect(sum).toEqual({ passed: 1, failed: 1, skipped: 0, flaky: 0 });
    expect(problems).toEqual(['the suite ended with status 1']);
  });
});

test('no report is a failure, whatever the status', () => {
  expect(sumReport(null, 0).sum.failed).toBe(1);
  expect(sumReport({}, 0).sum.failed).toBe(1);
  expect(sumReport('nonsense', 0).sum.failed).toBe(1);
});

test('the last line', () => {
  const one = { passed: 2, failed: 0, skipped: 0, flaky: 0 };
  expect(sumLine(one)).toBe('2 passed, 0 failed');
  expect(sumLine(addSums(one, { passed: 1, failed: 3, skipped: 4, flaky: 1 }))).toBe(
    '3 passed, 3 failed, 4 skipped',
  );
  expect(sumLine(emptySum())).toBe('0 passed, 0 failed');
  expect([flakyNote(one), flakyNote({ ...one, flaky: 2 })]).toEqual(['', ', 2 flaky']);
});
