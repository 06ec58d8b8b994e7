import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const native = fileURLToPath(new URL('../../native', import.meta.url));

test('building again does nothing', () => {
  const addon = join(native, 'build/Release/ebpf.node');
  const before = statSync(addon).mtimeMs;
  const result = spawnSync(process.execPath, ['build.mjs'], { cwd: native, encoding: 'utf8' });
  expect([result.status, result.stderr]).toEqual([0, '']);
  expect(statSync(addon).mtimeMs).toBe(before);
});

test('building without tools names the Debian packages', () => {
  const copy = mkdtempSync(join(tmpdir(), 'ebpf-ts-build-'));
  try {
    for (const name of ['build.mjs', 'binding.gyp', 'package.json', 'tsconfig.json']) {
      cpSync(join(native, name), join(copy, 'native', name));
    }
    for (const name of ['addon', 'src']) {
      cpSync(join(native, name), join(copy, 'native', name), { recursive: true });
    }
    cpSync(join(native, '../tsconfig.json'), join(copy, 'tsconfig.json'));
    symlinkSync(join(native, '../node_modules'), join(copy, 'node_modules'));
    const result = spawnSync(process.execPath, ['build.mjs'], {
      cwd: join(copy, 'native'),
      encoding: 'utf8',
      env: { PATH: '/nowhere' },
    });
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('apt-get install g++ make python3');
    expect(result.stderr).not.toContain('    at ');
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
