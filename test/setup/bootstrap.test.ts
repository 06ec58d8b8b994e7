import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT } from '../../src/setup/bootstrap.mjs';

const BOOTSTRAP = join(ROOT, 'src', 'setup', 'bootstrap.mjs');
/** Milliseconds a run that finds nothing to do may take, on a machine busy with other tests. */
const NOTHING_TO_DO_MS = 10_000;

function bootstrap(env: NodeJS.ProcessEnv = {}) {
  const started = performance.now();
  const result = spawnSync(process.execPath, [BOOTSTRAP], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { ...result, ms: performance.now() - started };
}

describe('in a checkout that is built', { timeout: 120_000 }, () => {
  test('does nothing, says nothing, and is quick about it', () => {
    const daemon = join(ROOT, 'dist', 'cli', 'main.js');
    const before = statSync(daemon).mtimeMs;
    const { status, stdout, stderr, ms } = bootstrap();
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(ms).toBeLessThan(NOTHING_TO_DO_MS);
    expect(statSync(daemon).mtimeMs).toBe(before);
  });

  test('a source that was only touched is not built again', () => {
    const source = join(ROOT, 'src', 'cli', 'main.ts');
    const now = new Date();
    utimesSync(source, now, now);
    expect(bootstrap().stderr).toBe('');
  });

  test('has what the steps promise', () => {
    for (const file of [
      'native/build/Release/ebpf.node',
      'native/dist/index.js',
      'dist/bpf/tracer.bpf.o',
      'dist/ui/index.html',
    ]) {
      expect(existsSync(join(ROOT, file)), file).toBe(true);
    }
    expect(() => accessSync(join(ROOT, 'dist', 'cli', 'main.js'), constants.X_OK)).not.toThrow();
  });
});

test('npx finds the command in the checkout, without asking the network', () => {
  const { status, stdout } = spawnSync('npx', ['--offline', 'hopscope', '--help'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Usage: hopscope COMMAND/);
}, 60_000);
