import type { BaseIssue } from 'valibot';

/** It is shown on the page, and names may be as long as a stranger likes. */
const PROBLEM_LENGTH = 300;

/** What is wrong with a value called `at`, and where in it: `flows.rows[0].packets: expected …`. */
export function problemOf(issues: readonly BaseIssue<unknown>[], at: string): string {
  const [issue] = issues;
  if (issue === undefined) return `${at} is not as it should be`;
  const where = (issue.path ?? []).reduce<string>(
    (path, { key }) => (typeof key === 'number' ? `${path}[${key}]` : `${path}.${String(key)}`),
    at,
  );
  if (where.length > PROBLEM_LENGTH) return `a field of ${at} is not as it should be`;
  if (issue.received === 'undefined') return `${where} is missing`;
  const expected = issue.type === 'custom' ? issue.message : (issue.expected ?? issue.message);
  const problem = `${where}: expected ${expected}`;
  return problem.length > PROBLEM_LENGTH ? `${problem.slice(0, PROBLEM_LENGTH)}…` : problem;
}
