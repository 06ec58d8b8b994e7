import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { parsePort } from '../../src/cli/listen.js';
import {
  COMMON_OPTIONS,
  commonOptions,
  parse,
  parseDuration,
  parseMemory,
  parseSampling,
} from '../../src/cli/options.js';
import { UsageError } from '../../src/model/errors.js';
import { MEMORY_LEAST, MEMORY_MOST, shareOut } from '../../src/model/memory-budget.js';

function fault(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof UsageError) return error.code;
    throw error;
  }
  return 'none';
}

describe('a duration', () => {
  it.each([
    ['10s', 10_000],
    ['500ms', 500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['0.5s', 500],
    ['7', 7_000],
    ['2147483647ms', 2_147_483_647],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  // The last is a millisecond more than a timer of Node can wait.
  it.each([
    '',
    '0',
    '0s',
    '-1s',
    '+1s',
    '1d',
    '1 s',
    's',
    '1.s',
    'Infinity',
    '1e3',
    '2147483648ms',
  ])('%j is none', (text) => {
    expect(fault(() => parseDuration(text))).toBe('BAD_DURATION');
  });
});

describe('a size of memory', () => {
  it.each([
    ['512M', 512 * 2 ** 20],
    ['512m', 512 * 2 ** 20],
    ['1G', 2 ** 30],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['524288K', 512 * 2 ** 20],
    [String(MEMORY_LEAST), MEMORY_LEAST],
    ['64G', MEMORY_MOST],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseMemory(text)).toBe(bytes);
  });

  it.each(['', '0', '-1G', '512', 'M', '1T', '1e9', '512 M', String(MEMORY_LEAST - 1), '65G'])(
    '%j is none',
    (text) => {
      expect(fault(() => parseMemory(text))).toBe('BAD_MEMORY');
    },
  );
});

describe('a sampling rate', () => {
  it.each([
    ['all', { mode: 'all' }],
    ['auto', { mode: 'auto', budget: 0.05 }],
    ['1/1', { mode: 'all' }],
    ['1/64', { mode: 'one-in', oneIn: 64 }],
    ['1/9999999', { mode: 'one-in', oneIn: 9_999_999 }],
  ])('%s is %j', (text, sampling) => {
    expect(parseSampling(text, undefined)).toEqual(sampling);
  });

  it.each(['', '1/0', '2/3', '64', '1/-1', '1/x', '1/10000000'])('%j is none', (text) => {
    expect(fault(() => parseSampling(text, undefined))).toBe('BAD_SAMPLE');
  });
});

describe('a budget', () => {
  it.each([
    ['5', 0.05],
    ['0.5', 0.005],
    ['12.5%', 0.125],
    ['400', 4],
  ])('%s of one core is a share of %d', (text, budget) => {
    expect(parseSampling('auto', text)).toEqual({ mode: 'auto', budget });
  });

  it.each(['', '0', '0.0', '-1', '5 %', 'all', '1e3', '10000', '.5'])('%j is none', (text) => {
    expect(fault(() => parseSampling('auto', text))).toBe('BAD_BUDGET');
  });

  it.each(['all', '1/4'])('means nothing with %s', (sample) => {
    expect(fault(() => parseSampling(sample, '5'))).toBe('BUDGET_UNUSED');
  });
});

describe('a port', () => {
  it.each([
    ['0', 0],
    ['65535', 65_535],
  ])('%s is %d', (text, port) => {
    expect(parsePort(text)).toBe(port);
  });

  it.each(['65536', '-1', '1.5', 'http', '', ' ', '0x10', '1e3'])('%j is none', (text) => {
    expect(fault(() => parsePort(text))).toBe('BAD_PORT');
  });
});

describe('options that commands share', () => {
  it('have their values when nothing is said', () => {
    expect(commonOptions({})).toEqual({
      durationMs: null,
      filter: null,
      netns: null,
      names: { file: null, cri: null, docker: null, kubernetes: 'auto', node: hostname() },
      sampling: { mode: 'auto', budget: 0.05 },
      memory: shareOut(512 * 2 ** 20),
      json: false,
    });
  });

  it('are taken in every form', () => {
    const args = ['--duration=1m', '-f', 'tcp port 80', '--netns', 'a', '--netns', 'b', '--json'];
    const { values, positionals } = parse([...args, '--sample', '1/4', 'rest'], COMMON_OPTIONS);
    expect(positionals).toEqual(['rest']);
    const options = commonOptions(values);
    expect(options).toMatchObject({
      durationMs: 60_000,
      netns: ['a', 'b'],
      sampling: { mode: 'one-in', oneIn: 4 },
      json: true,
    });
    expect(options.filter).not.toBeNull();
  });

  it.each([['--nothing'], ['--duration'], ['--json=yes'], ['-x']])('%s is refused', (option) => {
    expect(fault(() => parse([option], COMMON_OPTIONS))).toBe('BAD_OPTION');
  });
});
