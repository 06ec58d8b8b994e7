// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { onEnd } from './cleanup.mjs';
import { scratch } from './load-program.mjs';

const KERNEL = '6.12';
/** An emulated kernel that does not end by itself must end. */
const LIMIT_SECONDS = 3_000;
/** What a line of the result begins with: the guest's kernel may write in between. */
export const JSON_LINE = 'bench-json: ';

/**
 * The same loads on another kernel, with IPIP: `npm run guest` boots it with this machine's
 * files, and its bench writes its result as one line.
 *
 * @param {{ rounds: number, seconds: number, loads: readonly string[] }} size
 * @param {(line: string) => void} report
 * @returns {Promise<import('./run.mjs').BenchResult>}
 */
export async function benchGuest({ rounds, seconds, loads }, report) {
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'TERM', execPath, join(ROOT, 'test/guest/run.mjs'), KERNEL].concat(
      ['--limit', String(LIMIT_SECONDS), 'run', 'node', 'test/bench/run.mjs', '--json-line'],
      ['--encap', 'ipip', '--only', 'load,kernel', '--loads', loads.join(',')],
      ['--rounds', String(rounds), '--seconds', String(seconds)],
    ),
    // What the guest shares with us goes with what else this run has written.
    { stdio: ['ignore', 'pipe', 'inherit'], cwd: ROOT, env: { ...env, TMPDIR: scratch() } },
  );
  const kill = onEnd(() => child.kill('SIGTERM'));
  /** @type {string | null} */
  let result = null;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const found = jsonOf(line);
    if (found !== null) result = found;
    else if (line.startsWith('bench: ')) report(`guest: ${line.slice('bench: '.length)}`);
  });
  const [status] = await once(child, 'close');
  kill();
  if (status !== 0 || result === null) throw new Error(`the guest ended with status ${status}`);
  return JSON.parse(result);
}

/**
 * The JSON of a line that has some; a serial line ends with a carriage return.
 *
 * @param {string} line
 */
export function jsonOf(line) {
  return line.startsWith(JSON_LINE) ? line.slice(JSON_LINE.length).trimEnd() : null;
}
