import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it, test } from 'vitest';
import { hopscope, MAIN, ROOT, run } from './command-line.js';

/** A process each, on a machine that may be busy. */
const LIMIT_MS = 30_000;
const RECORDING = join(ROOT, 'src', 'source', 'demo-recording.hops.gz');
const folder = mkdtempSync(join(tmpdir(), 'hopscope-exit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** Every row of the table has to be in the help, and each status in a test: here or with root. */
test(
  'the table is in the help',
  async () => {
    const { out } = await hopscope('--help');
    expect(out).toMatch(/^ {2}0 .*\n {2}1 .*\n.*\n {2}2 .*\n {2}3 .*\n {2}130, 143 /m);
  },
  LIMIT_MS,
);

describe('1: it could not go on', () => {
  it(
    'the port is in use',
    async () => {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const port = String((other.address() as AddressInfo).port);
      try {
        const { status, out, err } = await hopscope('replay', RECORDING, '--serve', '--port', port);
        expect([status, out]).toEqual([1, '']);
        expect(err).toMatch(/^hopscope: .*\[address-in-use\]\n$/);
      } finally {
        other.close();
      }
    },
    LIMIT_MS,
  );

  it.each([
    [['--help'], 'help'],
    [['replay', '--help'], 'help of a command'],
    [['config', '--schema'], 'a schema'],
    [['doctor', '--json'], 'a report'],
    [['replay', RECORDING], 'flows'],
  ])(
    'the output cannot be written: %j',
    async (args) => {
      const words = [process.execPath, MAIN, ...args].map((word) => `'${word}'`).join(' ');
      const { status, err } = await run('bash', ['-c', `${words} > /dev/full`]);
      expect(status).toBe(1);
      expect(err).toMatch(/^hopscope: .*\[OUTPUT_NOT_WRITABLE\]\n$/);
    },
    LIMIT_MS,
  );

  it(
    'the recording is damaged, is none, is not there',
    async () => {
      const bytes = readFileSync(RECORDING);
      for (const [path, code] of [
        [file('cut.hops.gz', bytes.subarray(0, 3_000)), 'RECORDING_DAMAGED'],
        [file('none.hops', 'something else'), 'RECORDING_NOT_ONE'],
        [join(folder, 'not-there'), 'RECORDING_NOT_READABLE'],
      ] as const) {
        const { status, out, err } = await hopscope('replay', path);
        expect([status, out]).toEqual([1, '']);
        expect(err).toMatch(new RegExp(`^hopscope: .*\\[${code}\\]\\n$`));
      }
    },
    LIMIT_MS,
  );

  it(
    'a recording cannot be written',
    async () => {
      const { status, err } = await hopscope('record', join(folder, 'no', 'folder'));
      expect(status).toBe(1);
      expect(err).toMatch(/^hopscope: .*\[RECORDING_NOT_WRITABLE\]\n$/);
    },
    LIMIT_MS,
  );
});

describe('2: bad usage', () => {
  it(
    'of the configuration file: every mistake with its line, whatever the command',
    async () => {
      const config = file('wrong.yaml', 'prot: 1\nport: 65536\nmemory: 1M\n');
      for (const args of [
        ['serve', '--config', config],
        ['replay', RECORDING, '--config', config],
        ['config', '--check', config],
      ]) {
        const { status, out, err } = await hopscope(...args);
        expect([status, out]).toEqual([2, '']);
        expect(err.split('\n')).toEqual([
          expect.stringMatching(/wrong\.yaml:1: prot: .*\[CONFIG_UNKNOWN_KEY\]$/),
          `hopscope: ${config}:2: port: not a port: 65536 [BAD_PORT]`,
          expect.stringMatching(/wrong\.yaml:3: memory: .*\[BAD_MEMORY\]$/),
          '',
        ]);
      }
    },
    LIMIT_MS,
  );

  it(
    'reported as the options ask, also where they are what is wrong',
    async () => {
      const config = file('json.yaml', 'log-format: json\nport: 65536\n');
      for (const args of [
        ['serve', '--log-format', 'json', '--port', '65536'],
        ['serve', '--log-format=json', '--no-such-option'],
        ['serve', '--config', config],
      ]) {
        const { status, err } = await hopscope(...args);
        expect(status).toBe(2);
        expect(JSON.parse(err)).toMatchObject({
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
          level: 'error',
          code: expect.stringMatching(/^BAD_(PORT|OPTION)$/) as string,
          status: 2,
        });
      }
    },
    LIMIT_MS,
  );

  it(
    'nothing is wrong with a good file',
    async () => {
      const config = file('good.yaml', 'port: 7677\nlog-format: json\n');
      const { status, out, err } = await hopscope('config', '--check', config);
      expect([status, out, err]).toEqual([0, `${config}: 2 options, all good\n`, '']);
      for (const args of [[], ['--schema', '--systemd'], ['--check', config, 'more']]) {
        const bad = await hopscope('config', ...args);
        expect([bad.status, bad.err.includes('[CONFIG_USAGE]')]).toEqual([2, true]);
      }
    },
    LIMIT_MS,
  );
});

describe('interrupted', () => {
  async function replaying(
    ...options: string[]
  ): Promise<{ child: ChildProcess; err: () => string }> {
    const args = [MAIN, 'replay', RECORDING, '--serve', '--port', '0', ...options];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    await expect.poll(() => /\bready\b/.test(err), { timeout: 20_000 }).toBe(true);
    return { child, err: () => err };
  }

  it.each(['SIGINT', 'SIGTERM'] as const)(
    '0: it was asked to stop by %s; in text nothing is added to what it says',
    async (signal) => {
      const { child, err } = await replaying();
      child.kill(signal);
      const [status, by] = (await once(child, 'close')) as [number | null, string | null];
      expect([status, by]).toEqual([0, null]);
      expect(err()).toMatch(/^hopscope: dashboard on http:\/\/127\.0\.0\.1:\d+\nready\n$/);
    },
    LIMIT_MS,
  );

  it(
    'in JSON it says so, on lines that are objects',
    async () => {
      const { child, err } = await replaying('--log-format', 'json');
      child.kill('SIGTERM');
      await once(child, 'close');
      const events = err()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { level: string; event: string });
      expect(events.map(({ level, event }) => `${level} ${event}`)).toEqual([
        'info listening',
        'info ready',
        'info stopping',
      ]);
    },
    LIMIT_MS,
  );

  it(
    'a second signal ends it at once, as by that signal',
    async () => {
      const observe = join(dirname(MAIN), 'observe.js');
      // What has begun may take its time to be undone; this takes forever.
      const program = `import { stopRequest } from ${JSON.stringify(observe)};
        stopRequest().signal.addEventListener('abort', () => console.log('asked'));
        setInterval(() => undefined, 1000);
        console.log('begun');`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const lines = createInterface({ input: child.stdout });
      await once(lines, 'line');
      child.kill('SIGINT');
      expect(await once(lines, 'line')).toEqual(['asked']);
      child.kill('SIGTERM');
      expect(await once(child, 'close')).toEqual([null, 'SIGTERM']);
    },
    LIMIT_MS,
  );
});

test(
  'what it says on standard error may be lost; it goes on',
  async () => {
    const words = [process.execPath, MAIN, 'replay', RECORDING, '--log-level', 'debug'];
    const { status, out } = await run('bash', ['-c', `${words.join(' ')} 2> /dev/full`]);
    expect(status).toBe(0);
    expect(out).not.toBe('');
  },
  LIMIT_MS,
);
