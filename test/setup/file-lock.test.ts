import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withFileLock } from '../../src/setup/file-lock.mjs';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-setup-'));
  file = join(folder, 'state', 'lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Whether another process could have the lock now. */
function isFree(): boolean {
  return spawnSync('flock', ['-n', file, 'true']).status === 0;
}

test('holds the lock for the work and no longer, also when the work fails', async () => {
  const free = await withFileLock(
    file,
    () => {},
    async () => isFree(),
  );
  expect(free).toBe(false);
  expect(isFree()).toBe(true);
  const failing = withFileLock(
    file,
    () => {},
    async () => {
      throw new Error('on purpose');
    },
  );
  await expect(failing).rejects.toThrow('on purpose');
  expect(isFree()).toBe(true);
});

test('two take turns, and the second says that it waits', async () => {
  const order: string[] = [];
  const said: string[] = [];
  let isHeld = (): void => {};
  const held = new Promise<void>((resolve) => {
    isHeld = resolve;
  });
  const first = withFileLock(
    file,
    () => {},
    async () => {
      order.push('first begins');
      isHeld();
      await delay(300);
      order.push('first ends');
    },
  );
  await held;
  const second = withFileLock(
    file,
    (line) => said.push(line),
    async () => {
      order.push('second begins');
    },
  );
  await Promise.all([first, second]);
  expect(order).toEqual(['first begins', 'first ends', 'second begins']);
  expect(said).toEqual([`waiting for another build, which holds ${file}`]);
});

test('is free again when the process that held it is killed', async () => {
  const module = new URL('../../src/setup/file-lock.mjs', import.meta.url).href;
  const script = `import { withFileLock } from ${JSON.stringify(module)};
    await withFileLock(${JSON.stringify(file)}, () => {}, () => {
      process.stdout.write('held');
      return new Promise((resolve) => setTimeout(resolve, 60_000));
    });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  await once(child.stdout, 'data');
  expect(isFree()).toBe(false);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isFree()).toBe(true);
});
