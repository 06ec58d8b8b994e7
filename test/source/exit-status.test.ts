import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAIN } from '../scenario/hopscope-process.js';

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
  readonly tookMs: number;
}

const NOBODY = 65534;

async function hopscope(args: readonly string[], main = MAIN, user?: number): Promise<Ended> {
  const started = performance.now();
  const child = spawn(process.execPath, [main, ...args], {
    // Nobody may not be allowed where this process stands.
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err, tookMs: performance.now() - started };
}

it.each(['trace', 'flows'])('%s --duration ends by itself with status 0', async (command) => {
  const { status, err, tookMs } = await hopscope([command, '--json', '--duration', '700ms']);
  expect(err).toMatch(/^ready$/m);
  expect(status).toBe(0);
  expect(tookMs).toBeGreaterThan(700);
  expect(tookMs).toBeLessThan(10_000);
});

it.each([
  [['trace', '--no-such-option'], 'BAD_OPTION'],
  [['trace', '--duration', 'soon'], 'BAD_DURATION'],
  [['trace', '--sample', '1/0'], 'BAD_SAMPLE'],
  [['trace', '--filter', 'host and ('], 'FILTER_SYNTAX'],
  [['flows', '--netns', 'hs-src-not-there'], 'NETNS_NOT_FOUND'],
  [['serve', '--port', '65536'], 'BAD_PORT'],
  [['record'], 'RECORD_USAGE'],
  [['replay'], 'REPLAY_USAGE'],
  [['sideways'], 'UNKNOWN_COMMAND'],
])('%j is bad usage: status 2', async (args, code) => {
  const { status, out, err } = await hopscope(args);
  expect(status).toBe(2);
  expect(out).toBe('');
  expect(err).toContain(`[${code}]`);
});

/** The folder of a package, from one of its files; a workspace is linked to its own place. */
function folderOf(file: string): string {
  const folder = dirname(file);
  return existsSync(join(folder, 'package.json')) ? folder : folderOf(folder);
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  'demo takes its lab down at %s, even half up',
  async (signal) => {
    const child = spawn(process.execPath, [MAIN, 'demo', '--port', '0', '--encap', 'none'], {
      stdio: 'ignore',
    });
    try {
      await expect.poll(() => existsSync('/run/netns/node111'), { timeout: 10_000 }).toBe(true);
      child.kill(signal);
      const [status] = (await once(child, 'exit')) as [number | null];
      expect(status).toBe(0);
      expect(existsSync('/run/netns/node111')).toBe(false);
      expect(existsSync('/run/netns/pod1')).toBe(false);
    } finally {
      child.kill('SIGKILL');
    }
  },
);

describe('without privileges', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-nobody-'));
  const main = join(folder, 'dist', 'cli', 'main.js');

  // Root's own checkout may be closed to others, so nobody gets a copy to run.
  beforeAll(() => {
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    cpSync(dirname(dirname(MAIN)), join(folder, 'dist'), { recursive: true });
    mkdirSync(join(folder, 'node_modules'));
    const find = createRequire(MAIN);
    for (const name of ['ebpf-ts', 'hopscope-protocol', 'valibot', 'ws']) {
      const from = folderOf(find.resolve(name));
      cpSync(from, join(folder, 'node_modules', name), { recursive: true, dereference: true });
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['trace', 'flows', 'serve'])('%s: status 3 and the remedy', async (command) => {
    const { status, out, err } = await hopscope([command, '--duration', '1s'], main, NOBODY);
    expect(status).toBe(3);
    expect(out).toBe('');
    expect(err).not.toMatch(/^ready$/m);
    expect(err).toMatch(/run as root/);
  });

  it('replay needs none', async () => {
    const recording = join(folder, 'dist', 'source', 'demo-recording.hops.gz');
    const { status, out } = await hopscope(['replay', recording, '--json'], main, NOBODY);
    expect(status).toBe(0);
    expect(out).toMatch(/^{"type":"flow"/);
  });
});
