import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runChild } from '../../src/setup/child-process.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('gives the status and both streams', async () => {
  const result = await runChild('sh', ['-c', 'echo out; echo err >&2; exit 7']);
  expect(result).toMatchObject({ status: 7, timedOut: false });
  expect(result.output).toContain('out\n');
  expect(result.output).toContain('err\n');
});

test('a program that is not there is status 127 with its name', async () => {
  const result = await runChild('hopscope-no-such-program', []);
  expect(result.status).toBe(127);
  expect(result.output).toContain('hopscope-no-such-program');
});

test('a signal is 128 and its number', async () => {
  expect((await runChild('sh', ['-c', 'kill -TERM $$'])).status).toBe(143);
});

test('running out of time ends grandchildren too', async () => {
  const pidFile = join(folder, 'pid');
  const script = `sleep 60 & echo $! > ${pidFile}; wait`;
  const result = await runChild('sh', ['-c', script], { limitSeconds: 0.5 });
  expect(result.timedOut).toBe(true);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  expect(pid).toBeGreaterThan(1);
  await expect.poll(() => isRunning(pid), { timeout: 5000 }).toBe(false);
});

test('a child within its time is left alone', async () => {
  const result = await runChild('sh', ['-c', 'sleep 0.1; exit 3'], { limitSeconds: 30 });
  expect(result).toMatchObject({ status: 3, timedOut: false });
  await delay(0);
  expect(process.listenerCount('SIGINT')).toBe(0);
});

test('keeps the newest output when there is too much, and says so', async () => {
  const result = await runChild('sh', ['-c', 'head -c 6000000 /dev/zero; echo; echo the end']);
  expect(result.output.length).toBeLessThan(4.5 * 1024 * 1024);
  expect(result.output).toMatch(/^\(\d+ bytes of older output left out\)/);
  expect(result.output).toMatch(/the end\n$/);
});

/** A zombie that nobody reaped has ended as well. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
