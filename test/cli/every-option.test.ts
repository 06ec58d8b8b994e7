import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import * as yaml from 'yaml';
import { COMMANDS, type CommandOptions } from '../../src/cli/command-options.js';
import { ConfigError } from '../../src/cli/config-error.js';
import { parseConfig } from '../../src/cli/config-file.js';
import { configSchema, FILE_OPTIONS } from '../../src/cli/config-schema.js';
import { listenOptions } from '../../src/cli/listen.js';
import type { Option, Options } from '../../src/cli/option.js';
import { commonOptions } from '../../src/cli/options.js';
import { readOptions } from '../../src/cli/read-options.js';
import { log } from '../../src/logger.js';
import { UsageError } from '../../src/model/errors.js';

/** Of each option, values as a file has them: such that are right, and wrong ones with their code. */
const SAMPLES: Readonly<Record<string, readonly [right: unknown[], wrong: [unknown, string][]]>> = {
  port: [
    [0, 65_535, '7000'],
    [
      [65_536, 'BAD_PORT'],
      [-1, 'BAD_PORT'],
      ['http', 'BAD_PORT'],
    ],
  ],
  host: [
    ['::1', 'localhost'],
    [
      ['0.0.0.0', 'HOST_NOT_LOOPBACK'],
      ['', 'BAD_HOST'],
    ],
  ],
  listen: [['0.0.0.0', '::', '192.0.2.1'], [['node1', 'BAD_HOST']]],
  cert: [['/etc/hopscope.crt'], []],
  key: [['/etc/hopscope.key'], []],
  'token-file': [['/etc/hopscope.token'], []],
  'allow-host': [[['node1'], ['a', 'b:80']], []],
  duration: [
    ['10s', 7, 0.5, '500ms'],
    [
      ['soon', 'BAD_DURATION'],
      [0, 'BAD_DURATION'],
    ],
  ],
  filter: [['tcp port 80'], [['host and (', 'FILTER_SYNTAX']]],
  netns: [[['pod1'], ['a', 'b']], []],
  'filter-names': [['ns:default', 'label:app=web -pod:x'], [['', 'BAD_FILTER_NAMES']]],
  names: [['/etc/names.json'], []],
  kubernetes: [['auto', 'off', '/etc/kubernetes/admin.conf'], []],
  'node-name': [['n111'], []],
  cri: [['auto', 'off', '/run/containerd/containerd.sock'], []],
  docker: [['auto', 'off', '/run/docker.sock'], []],
  sample: [
    ['auto', 'all', '1/64'],
    [
      ['1/0', 'BAD_SAMPLE'],
      ['half', 'BAD_SAMPLE'],
    ],
  ],
  'cpu-budget': [
    [5, 0.5, '12.5%'],
    [
      [0, 'BAD_BUDGET'],
      ['much', 'BAD_BUDGET'],
    ],
  ],
  memory: [
    ['1G', '512m', 2 ** 29],
    [
      ['1M', 'BAD_MEMORY'],
      ['big', 'BAD_MEMORY'],
      [1, 'BAD_MEMORY'],
    ],
  ],
  json: [[true, false], []],
  'log-level': [['error', 'debug'], [['loud', 'BAD_LOG_LEVEL']]],
  'log-format': [['text', 'json'], [['xml', 'BAD_LOG_FORMAT']]],
  encap: [['ipip', 'none'], [['gre', 'BAD_ENCAP']]],
  replay: [[true, false], []],
  flows: [[true, false], []],
  paths: [[true, false], []],
  serve: [[true, false], []],
};

interface Case {
  readonly command: string;
  readonly key: string;
  readonly option: Option;
}

const CASES: readonly Case[] = Object.entries(COMMANDS).flatMap(([command, { options }]) =>
  Object.entries(options as Options)
    .filter(([, { file }]) => file !== null)
    .map(([key, option]) => ({ command, key, option })),
);

const folder = mkdtempSync(join(tmpdir(), 'hopscope-every-option-'));
const FILE = join(folder, 'hopscope.json');

afterEach(() => {
  log.level = 'info';
  log.format = 'text';
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a command makes of its options, as far as it is the same for all of them. */
async function outcome(command: string, args: readonly string[]): Promise<unknown> {
  const shape: CommandOptions = (COMMANDS as Readonly<Record<string, CommandOptions>>)[
    command
  ] as CommandOptions;
  log.level = 'info';
  log.format = 'text';
  try {
    const parsed = await readOptions(args, shape, '');
    const values = parsed?.values as Record<string, never>;
    const { config: _, ...others } = values as Record<string, unknown>;
    for (const [key, value] of Object.entries(others)) {
      const { read } = shape.options[key] as Option;
      if (typeof value === 'string') read?.(value);
    }
    return {
      values: others,
      log: [log.level, log.format],
      common: commonOptions(values),
      listen: listenOptions(values),
    };
  } catch (error) {
    if (error instanceof ConfigError) {
      const [problem] = error.problems;
      return { code: problem?.code, message: problem?.message };
    }
    if (error instanceof UsageError) return { code: error.code, message: error.message };
    throw error;
  }
}

function byFile(command: string, content: object, ...args: string[]): Promise<unknown> {
  writeFileSync(FILE, JSON.stringify(content));
  return outcome(command, ['--config', FILE, ...args]);
}

/** The same on the command line. */
function words(key: string, value: unknown): string[] {
  if (value === true) return [`--${key}`];
  if (value === false) return [`--no-${key}`];
  return (Array.isArray(value) ? value : [value]).map((each) => `--${key}=${String(each)}`);
}

describe.each(CASES)('$command: $key', ({ command, key, option }) => {
  const [right, wrong] = SAMPLES[key] ?? [[], []];

  it('has samples of what is right, and of what is wrong where something can be', () => {
    expect(right.length).toBeGreaterThan(0);
    const canBeWrong = option.read !== undefined && option.multiple !== true;
    expect(wrong.length > 0).toBe(canBeWrong);
  });

  it('says less than the command line, which wins', async () => {
    const [first, last] = [right[0], right.at(-1)];
    const given = words(key, first);
    expect(await byFile(command, { [key]: last }, ...given)).toEqual(await outcome(command, given));
  });

  it('does the same in the file as on the command line', async () => {
    const nothing = await outcome(command, []);
    for (const value of right) {
      const expected = await outcome(command, words(key, value));
      expect(expected).toHaveProperty(['values', key]);
      expect(expected).not.toEqual(nothing);
      expect(await byFile(command, { [key]: value })).toEqual(expected);
    }
  });

  it('has the same error in the file as on the command line', async () => {
    for (const [value, code] of wrong) {
      const expected = await outcome(command, words(key, value));
      expect(expected).toMatchObject({ code });
      expect(await byFile(command, { [key]: value })).toEqual(expected);
    }
  });
});

describe('the schema', () => {
  const ajv = new Ajv({ allowUnionTypes: true });
  const validate = ajv.compile(configSchema());
  const accepts = (content: unknown): boolean => validate(content) === true;

  it('has every option of every command, and no other', () => {
    const { properties } = configSchema() as { properties: object };
    expect(Object.keys(properties).sort()).toEqual([...new Set(CASES.map((c) => c.key))].sort());
    expect(Object.keys(SAMPLES).sort()).toEqual(Object.keys(properties).sort());
    expect(accepts({ prot: 1 })).toBe(false);
    expect(accepts([])).toBe(false);
  });

  it.each(Object.entries(SAMPLES))('takes what is right of %s', (key, [right]) => {
    for (const value of right) expect([value, accepts({ [key]: value })]).toEqual([value, true]);
  });

  it.each([...FILE_OPTIONS.keys()])('refuses of %s no more than the check', (key) => {
    const anything = [null, true, 0, 1, -1, 1.5, 7, 1e9, 1e12, '', 'a', '1', '10s', '1/4', '512M'];
    for (const value of [...anything, ...anything.map((each) => [each]), {}, []]) {
      if (accepts({ [key]: value })) continue;
      const { problems } = parseConfig(JSON.stringify({ [key]: value }), yaml);
      expect([value, problems.length]).toEqual([value, 1]);
    }
  });
});

describe('file and command line together', () => {
  it('arguments replace the filter of the file', async () => {
    const parsed = await byFile('flows', { filter: 'udp' }, 'tcp');
    expect(parsed).toMatchObject({ values: {} });
    expect(parsed).not.toHaveProperty(['values', 'filter']);
  });

  it.each([
    [{ 'cpu-budget': 3 }, ['--sample', 'all'], { mode: 'all' }],
    [{ 'cpu-budget': 3 }, ['--sample', 'auto'], { mode: 'auto', budget: 0.03 }],
    [{ sample: '1/8' }, ['--cpu-budget', '7'], { mode: 'auto', budget: 0.07 }],
    [{ sample: 'all' }, ['--cpu-budget', '7'], { mode: 'auto', budget: 0.07 }],
    [{ sample: 'auto', 'cpu-budget': 3 }, [], { mode: 'auto', budget: 0.03 }],
  ])('%j and %j: %j', async (file, args, sampling) => {
    expect(await byFile('serve', file, ...args)).toMatchObject({ common: { sampling } });
  });

  it('a file is for all commands: each takes what it has', async () => {
    const file = { port: 1, netns: ['a'], encap: 'none', paths: true, memory: '1G' };
    const keys = async (command: string): Promise<string[]> => {
      const { values } = (await byFile(command, file)) as { values: object };
      return Object.keys(values).sort();
    };
    expect(await keys('serve')).toEqual(['memory', 'netns', 'port']);
    expect(await keys('flows')).toEqual(['memory', 'netns']);
    expect(await keys('demo')).toEqual(['encap', 'memory', 'netns', 'port']);
    // A recording has the namespaces it was made with.
    expect(await keys('replay')).toEqual(['memory', 'paths', 'port']);
  });
});
