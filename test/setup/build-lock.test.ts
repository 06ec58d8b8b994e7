import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withBuildLock } from '../../src/setup/build-lock.mjs';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-setup-'));
  file = join(folder, 'state', 'lock');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('holds the lock for the work and no longer, also when the work fails', async () => {
  const held = await withBuildLock(
    file,
    () => {},
    async () => readFileSync(file, 'utf8'),
  );
  expect(Number(held)).toBe(process.pid);
  expect(existsSync(file)).toBe(false);
  const failing = withBuildLock(
    file,
    () => {},
    async () => {
      throw new Error('on purpose');
    },
  );
  await expect(failing).rejects.toThrow('on purpose');
  expect(existsSync(file)).toBe(false);
});

test('two take turns, and the second says that it waits', async () => {
  const order: string[] = [];
  const said: string[] = [];
  const first = withBuildLock(
    file,
    () => {},
    async () => {
      order.push('first begins');
      await delay(300);
      order.push('first ends');
    },
  );
  const second = withBuildLock(
    file,
    (line) => said.push(line),
    async () => {
      order.push('second begins');
    },
  );
  await Promise.all([first, second]);
  expect(order).toEqual(['first begins', 'first ends', 'second begins']);
  expect(said).toEqual([`waiting for another build (process ${process.pid})`]);
});

test('takes over from a process that is gone', async () => {
  const child = spawn('true');
  await once(child, 'exit');
  await withBuildLock(
    file,
    () => {},
    async () => {},
  );
  writeFileSync(file, `${child.pid}\n`);
  let ran = false;
  await withBuildLock(
    file,
    () => {},
    async () => {
      ran = true;
    },
  );
  expect(ran).toBe(true);
});
