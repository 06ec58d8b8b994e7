import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fingerprint, listFiles } from '../../src/setup/fingerprint.mjs';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hopscope-setup-'));
  mkdirSync(join(folder, 'src', 'inner'), { recursive: true });
  writeFileSync(join(folder, 'src', 'b.ts'), 'b');
  writeFileSync(join(folder, 'src', 'inner', 'a.ts'), 'a');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('lists files in one order, without what tools make', () => {
  for (const made of ['node_modules', 'dist', 'build']) {
    mkdirSync(join(folder, 'src', made));
    writeFileSync(join(folder, 'src', made, 'x.js'), '');
  }
  expect(listFiles(folder, 'src')).toEqual(['src/b.ts', 'src/inner/a.ts']);
  expect(listFiles(folder, 'src/b.ts')).toEqual(['src/b.ts']);
  expect(listFiles(folder, 'absent')).toEqual([]);
});

test('changes with contents, names and extra words, not with times', () => {
  const before = fingerprint(folder, ['src'], ['v1']);
  utimesSync(join(folder, 'src', 'b.ts'), 1, 1);
  expect(fingerprint(folder, ['src'], ['v1'])).toBe(before);

  expect(fingerprint(folder, ['src'], ['v2'])).not.toBe(before);
  writeFileSync(join(folder, 'src', 'b.ts'), 'c');
  expect(fingerprint(folder, ['src'], ['v1'])).not.toBe(before);
  writeFileSync(join(folder, 'src', 'b.ts'), 'b');
  expect(fingerprint(folder, ['src'], ['v1'])).toBe(before);
  renameSync(join(folder, 'src', 'b.ts'), join(folder, 'src', 'c.ts'));
  expect(fingerprint(folder, ['src'], ['v1'])).not.toBe(before);
});
