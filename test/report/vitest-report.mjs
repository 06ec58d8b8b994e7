// @ts-check

/**
 * @typedef {object} Sum
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {number} flaky passed at a later try only: among neither of the others
 *
 * @typedef {object} FileReport what vitest's JSON reporter writes for a file
 * @property {string} name
 * @property {string} status
 * @property {{ status: string, title?: string, fullName?: string, ancestorTitles?: string[],
 *   failureMessages?: string[] }[]} assertionResults
 */

/** @returns {Sum} */
export function emptySum() {
  return { passed: 0, failed: 0, skipped: 0, flaky: 0 };
}

/** @param {Sum} a @param {Sum} b @returns {Sum} */
export function addSums(a, b) {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    flaky: a.flaky + b.flaky,
  };
}

/** The sum, without what was flaky: see `flakyNote`. @param {Sum} sum */
export function sumLine(sum) {
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : '';
  return `${sum.passed} passed, ${sum.failed} failed${skipped}`;
}

/** What to add where tests passed at a later try only. @param {Sum} sum */
export function flakyNote(sum) {
  return sum.flaky > 0 ? `, ${sum.flaky} flaky` : '';
}

/**
 * Count one suite from vitest's JSON report and exit status. A file that failed
 * without a failed test in it (it did not load, or a hook threw) counts as one
 * failure, and so does a suite that ended badly with nothing else to show for it.
 *
 * @param {unknown} report parsed JSON, or `null` when there is none
 * @param {number} status exit status of the run
 * @returns {{ sum: Sum, problems: string[], remarks: string[], skipped: string[] }} a line each:
 * what failed, and what passed at a later try; and the names of tests that were skipped
 */
export function sumReport(report, status) {
  const sum = emptySum();
  /** @type {string[]} */
  const problems = [];
  /** @type {string[]} */
  const remarks = [];
  /** @type {string[]} */
  const skipped = [];
  for (const file of fileReports(report)) {
    let failedHere = 0;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') {
        if ((test.failureMessages ?? []).length > 0) {
          sum.flaky += 1;
          remarks.push(`flaky, passed at a later try: ${nameOf(test)}: ${reasonOf(test)}`);
        } else sum.passed += 1;
      } else if (test.status === 'failed') {
        failedHere += 1;
        problems.push(`failed: ${nameOf(test)}: ${reasonOf(test)}`);
      } else {
        sum.skipped += 1;
        skipped.push(nameOf(test));
      }
    }
    if (file.status === 'failed' && failedHere === 0) {
      failedHere = 1;
      problems.push(`${file.name} did not run to its end`);
    }
    sum.failed += failedHere;
  }
  if (report === null) problems.push('the suite ended without a report');
  else if (sum.passed + sum.failed + sum.flaky === 0) problems.push('the suite ran no test');
  if (status !== 0) problems.push(`the suite ended with status ${status}`);
  if (sum.failed === 0 && problems.length > 0) sum.failed = 1;
  return { sum, problems, remarks, skipped };
}

/** Of a failure's text, for a line that is read after the whole output is gone. */
const REASON_LENGTH = 300;

/** @param {FileReport['assertionResults'][number]} test */
function nameOf(test) {
  return test.fullName ?? test.title ?? '(no name)';
}

/**
 * The first line of what was thrown, and of a property what repeats it (fast-check's second line).
 *
 * @param {FileReport['assertionResults'][number]} test
 */
function reasonOf(test) {
  const [first = '(no reason)', second = ''] = test.failureMessages?.[0]?.split('\n', 2) ?? [];
  const reason = second.startsWith('{ seed:') ? `${first} ${second}` : first;
  return reason.length > REASON_LENGTH ? `${reason.slice(0, REASON_LENGTH)}…` : reason;
}

/** @param {unknown} report @returns {FileReport[]} */
export function fileReports(report) {
  if (typeof report !== 'object' || report === null || !('testResults' in report)) return [];
  return Array.isArray(report.testResults) ? report.testResults : [];
}
