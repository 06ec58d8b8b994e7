import type { BaseIssue } from 'valibot';

/** It is shown on the page, and names may be as long as a stranger likes. */
const PROBLEM_LENGTH = 300;

const WORDS: Readonly<Record<string, string>> = {
  Object: 'an object',
  Array: 'a list',
  string: 'text',
  boolean: 'true or false',
};

/** What is wrong with a value called `at`, and where in it: `flows.rows[0].packets is not …`. */
export function problemOf(issues: readonly BaseIssue<unknown>[], at: string): string {
  const [issue] = issues;
  if (issue === undefined) return `${at} is not as it should be`;
  const where = (issue.path ?? []).reduce<string>(
    (path, { key }) => (typeof key === 'number' ? `${path}[${key}]` : `${path}.${String(key)}`),
    at,
  );
  if (where.length > PROBLEM_LENGTH) return `a field of ${at} is not as it should be`;
  const problem =
    issue.received === 'undefined' ? `${where} is missing` : `${where} is not ${wanted(issue)}`;
  return problem.length > PROBLEM_LENGTH ? `${problem.slice(0, PROBLEM_LENGTH)}…` : problem;
}

function wanted({ type, message, expected }: BaseIssue<unknown>): string {
  // Those of scalars.ts say it in their message.
  if (type === 'custom' || expected === null) return message;
  if (type !== 'picklist' && type !== 'variant') return WORDS[expected] ?? expected;
  return `one of ${expected.replace(/[()"]/g, '').replaceAll(' | ', ', ')}`;
}
