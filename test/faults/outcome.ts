import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../src/setup/bootstrap.mjs';

/** The table of `npm run faults` has one line for each. */
export interface Outcome {
  readonly fault: string;
  readonly outcome: string;
}

/** Said once all of it has been seen to be so; only `npm run faults` keeps it. */
export function outcome(fault: string, what: string): void {
  if (process.env['HOPSCOPE_FAULTS'] === undefined) return;
  const folder = join(ROOT, 'test-results');
  mkdirSync(folder, { recursive: true });
  const line: Outcome = { fault, outcome: what };
  appendFileSync(join(folder, 'faults.jsonl'), `${JSON.stringify(line)}\n`);
}

/** How often each process is killed: a few times in the default suite. */
export const KILLS = process.env['HOPSCOPE_FAULTS'] === undefined ? 5 : 50;
