import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hopscope, ROOT, run } from './command-line.js';

/** A process each, on a machine that may be busy. */
const LIMIT_MS = 30_000;
const COMMANDS = [
  ...['serve', 'flows', 'trace', 'doctor', 'lab', 'demo', 'record', 'replay'],
  ...['config', 'mtu'],
];

describe('help', () => {
  it.each(COMMANDS)(
    'of %s is on standard output, with status 0',
    async (command) => {
      for (const option of ['--help', '-h']) {
        const { status, out, err } = await hopscope(command, option);
        expect(status).toBe(0);
        expect(out).toMatch(new RegExp(`^(Usage: )?hopscope ${command}\\b`));
        expect(err).toBe('');
      }
    },
    LIMIT_MS,
  );

  it.each(['--help', '-h', 'help'])(
    '%s names every command',
    async (word) => {
      const { status, out } = await hopscope(word);
      expect(status).toBe(0);
      for (const command of COMMANDS) expect(out).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
    },
    LIMIT_MS,
  );

  it(
    'comes without a command too, but that is bad usage',
    async () => {
      const { status, out } = await hopscope();
      expect(status).toBe(2);
      expect(out).toMatch(/^Usage: hopscope COMMAND/);
    },
    LIMIT_MS,
  );
});

it.each(['--version', '-V', 'version'])(
  '%s gives the version of the package',
  async (word) => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const { status, out } = await hopscope(word);
    expect(status).toBe(0);
    expect(out).toBe(`hopscope ${version}\n`);
  },
  LIMIT_MS,
);

describe('bad usage', () => {
  it.each([
    [['sideways'], 'UNKNOWN_COMMAND'],
    // Names that every object of JavaScript has.
    [['constructor'], 'UNKNOWN_COMMAND'],
    [['__proto__'], 'UNKNOWN_COMMAND'],
    [['flows', '--no-such-option'], 'BAD_OPTION'],
    [['flows', '--duration', 'soon'], 'BAD_DURATION'],
    [['trace', '--sample', '1/0'], 'BAD_SAMPLE'],
    [['serve', '--cpu-budget', 'much'], 'BAD_BUDGET'],
    [['flows', '--sample', 'all', '--cpu-budget', '5'], 'BUDGET_UNUSED'],
    [['serve', '--port', '65536'], 'BAD_PORT'],
    [['serve', '--host', ''], 'BAD_HOST'],
    [['serve', '--host', '0.0.0.0'], 'HOST_NOT_LOOPBACK'],
    [['demo', '--host', '::'], 'HOST_NOT_LOOPBACK'],
    [['replay', 'a', '--serve', '--host', 'node1'], 'HOST_NOT_LOOPBACK'],
    [['serve', '-f', 'tcp', 'udp'], 'TWO_FILTERS'],
    [['doctor', 'surplus'], 'USAGE'],
    [['record'], 'RECORD_USAGE'],
    [['record', 'a', 'b'], 'RECORD_USAGE'],
    [['replay'], 'REPLAY_USAGE'],
    [['replay', 'a', '--netns', 'pod1'], 'REPLAY_NETNS'],
    [['flows', '--log-level', 'loud'], 'BAD_LOG_LEVEL'],
    [['flows', '--log-format', 'xml'], 'BAD_LOG_FORMAT'],
    [['flows', '--no-duration'], 'BAD_OPTION'],
    [['serve', '--config', '/nonexistent'], 'CONFIG_NOT_READABLE'],
    [['config'], 'CONFIG_USAGE'],
  ])(
    '%j: status 2 and %s',
    async (args, code) => {
      const { status, out, err } = await hopscope(...args);
      expect(status).toBe(2);
      expect(out).toBe('');
      expect(err).toMatch(new RegExp(`^hopscope: .*\\[${code}\\]\\n$`));
    },
    LIMIT_MS,
  );

  it.each([
    ['trace', 'host and ('],
    ['flows', 'tcp port nowhere-at-all'],
    ['serve', 'tcp port nowhere-at-all'],
  ])(
    '%s with the filter %j says what libpcap says',
    async (command, expression) => {
      const { status, err } = await hopscope(command, '--filter', expression);
      expect(status).toBe(2);
      expect(err).toMatch(/syntax error|unknown|illegal/);
      expect(err).toContain('[FILTER_SYNTAX]');
      const given = await hopscope(command, ...expression.split(' '));
      expect([given.status, given.err]).toEqual([status, err]);
    },
    LIMIT_MS,
  );
});

it(
  'runs by its name in a checkout',
  async () => {
    expect(existsSync(join(ROOT, 'node_modules', '.bin', 'hopscope'))).toBe(true);
    const { status, out } = await run('npx', ['--no-install', 'hopscope', '--help']);
    expect(status).toBe(0);
    expect(out).toMatch(/^Usage: hopscope COMMAND/);
  },
  LIMIT_MS,
);

it(
  'ends in peace when its reader has enough',
  async () => {
    const main = join(ROOT, 'dist', 'cli', 'main.js');
    const recording = join(ROOT, 'src', 'source', 'demo-recording.hops.gz');
    const pipe = `"${process.execPath}" "${main}" replay "${recording}" --paths | head -n 1`;
    const { status, out, err } = await run('bash', ['-c', `set -o pipefail; ${pipe}`]);
    expect([status, err]).toEqual([0, '']);
    expect(out.split('\n').length).toBe(2);
  },
  LIMIT_MS,
);

it(
  'says so when what it prints cannot be written',
  async () => {
    const main = join(ROOT, 'dist', 'cli', 'main.js');
    const recording = join(ROOT, 'src', 'source', 'demo-recording.hops.gz');
    const full = `"${process.execPath}" "${main}" replay "${recording}" > /dev/full`;
    const { status, err } = await run('bash', ['-c', full]);
    expect(status).toBe(1);
    expect(err).toMatch(/^hopscope: cannot write the output: .*\[OUTPUT_NOT_WRITABLE\]\n$/);
  },
  LIMIT_MS,
);
