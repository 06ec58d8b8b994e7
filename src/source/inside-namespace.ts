import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const OUTPUT_LIMIT = 64 << 20;
const TIMEOUT_MS = 10_000;

/** Standard output of a command that runs in a network namespace, by the namespace's path. */
export async function runInside(netnsPath: string, ...command: string[]): Promise<string> {
  const { stdout } = await run('nsenter', [`--net=${netnsPath}`, ...command], {
    maxBuffer: OUTPUT_LIMIT,
    timeout: TIMEOUT_MS,
  });
  return stdout;
}
