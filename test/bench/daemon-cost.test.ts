import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { cpuSeconds, familyCpuSeconds, withDescendants } from './daemon-cost.mjs';

test('reads what this process used, as Node itself counts it', async () => {
  const until = performance.now() + 300;
  while (performance.now() < until);
  const { user, system } = process.cpuUsage();
  expect(await cpuSeconds(process.pid)).toBeCloseTo((user + system) / 1e6, 0);
});

test('what is gone uses nothing', async () => {
  expect(await cpuSeconds(2 ** 30)).toBe(0);
  expect(await familyCpuSeconds([])).toBe(0);
});

test('a process counts with those that its children have started', async () => {
  // The shell waits for a child that burns a processor, and uses none itself.
  const shell = spawn('sh', ['-c', 'sh -c "echo started; while :; do :; done"; :'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = shell.pid ?? 0;
  try {
    await once(shell.stdout, 'data');
    expect((await withDescendants([pid])).length).toBe(2);
    const until = performance.now() + 5_000;
    while ((await familyCpuSeconds([pid])) < 0.05 && performance.now() < until);
    expect(await familyCpuSeconds([pid])).toBeGreaterThanOrEqual(0.05);
    expect(await cpuSeconds(pid)).toBeLessThan(0.05);
  } finally {
    for (const each of await withDescendants([pid])) process.kill(each, 'SIGKILL');
  }
});
