// @ts-check
import { getSuites, getTests } from '@vitest/runner/utils';

/** @typedef {import('@vitest/runner').File} File */
/** @typedef {import('@vitest/runner').Task} Task */

/** @type {Readonly<Record<string, string>>} */
const STATUS = {
  fail: 'failed',
  pass: 'passed',
  skip: 'skipped',
  todo: 'todo',
  run: 'pending',
  only: 'pending',
  queued: 'pending',
};

/**
 * What vitest's JSON reporter would have written of these files.
 *
 * @param {readonly File[]} files
 * @param {number} startTime of the run, in milliseconds since 1970
 */
export function testReport(files, startTime) {
  const all = [...files];
  const suites = getSuites(all);
  const tests = getTests(all);
  const failedSuites = suites.filter(failed).length;
  const failedTests = tests.filter(failed).length;
  return {
    numTotalTestSuites: suites.length,
    numPassedTestSuites: suites.length - failedSuites,
    numFailedTestSuites: failedSuites,
    numTotalTests: tests.length,
    numPassedTests: tests.filter((test) => test.result?.state === 'pass').length,
    numFailedTests: failedTests,
    numPendingTests: tests.filter((test) => test.mode === 'skip').length,
    numTodoTests: tests.filter((test) => test.mode === 'todo').length,
    startTime,
    success: files.length > 0 && failedSuites === 0 && failedTests === 0,
    testResults: files.map((file) => fileResult(file, startTime)),
  };
}

/** @param {Task} task */
function failed(task) {
  return task.result?.state === 'fail';
}

/** @param {File} file @param {number} runStarted */
function fileResult(file, runStarted) {
  const tests = getTests([file]);
  const starts = tests.flatMap(({ result }) => result?.startTime ?? []);
  const startTime = starts.length > 0 ? Math.min(...starts) : runStarted;
  const ends = tests.map(({ result }) => (result?.startTime ?? 0) + (result?.duration ?? 0));
  return {
    name: file.filepath,
    status: failed(file) || tests.some(failed) ? 'failed' : 'passed',
    message: file.result?.errors?.[0]?.message ?? '',
    startTime,
    endTime: Math.max(startTime, ...ends),
    assertionResults: tests.map((test) => {
      const ancestorTitles = titlesAbove(test);
      return {
        ancestorTitles,
        fullName: [...ancestorTitles, ...(test.name ? [test.name] : [])].join(' '),
        status: STATUS[test.result?.state ?? test.mode] ?? 'skipped',
        title: test.name,
        duration: test.result?.duration,
        failureMessages: (test.result?.errors ?? []).map((error) => error.stack || error.message),
        meta: test.meta,
      };
    }),
  };
}

/** @param {Task} task */
function titlesAbove(task) {
  /** @type {string[]} */
  const titles = [];
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) titles.unshift(suite.name);
  return titles;
}
