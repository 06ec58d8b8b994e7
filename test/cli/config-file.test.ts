import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, test } from 'vitest';
import * as yaml from 'yaml';
import { ConfigError } from '../../src/cli/config-error.js';
import { CONFIG_LIMIT, parseConfig, readConfigFile } from '../../src/cli/config-file.js';

const folder = mkdtempSync(join(tmpdir(), 'hopscope-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function problems(text: string): string[] {
  return parseConfig(text, yaml).problems.map(
    ({ code, key, line, column }) => `${line}:${column} ${key} ${code}`,
  );
}

async function fault(path: string): Promise<string> {
  try {
    await readConfigFile(path);
  } catch (error) {
    if (error instanceof ConfigError) return error.code;
    throw error;
  }
  return 'none';
}

test('YAML, and JSON that says the same, give what the command line would', () => {
  const values = { port: '0', netns: ['a', 'b'], json: true, memory: '1G', 'cpu-budget': '2.5' };
  const text = 'port: 0 # any\nnetns: [a, b]\njson: true\nmemory: 1G\ncpu-budget: 2.5\n';
  const json = '{"port": 0, "netns": ["a", "b"], "json": true, "memory": "1G", "cpu-budget": 2.5}';
  for (const each of [text, json]) {
    expect(parseConfig(each, yaml)).toEqual({ values, problems: [] });
  }
});

test.each(['', '# nothing\n', '---\n...\n', '{}'])('%j has no options', (text) => {
  expect(parseConfig(text, yaml)).toEqual({ values: {}, problems: [] });
});

test('a value that stands twice is written once', () => {
  const text = 'sample: &rate 1/4\nfilter: "tcp"\nnetns: [&a pod1]\nallow-host: [*a]\n';
  expect(parseConfig(text, yaml).values).toMatchObject({ netns: ['pod1'], 'allow-host': ['pod1'] });
});

test('all problems come at once, in the order of their lines, and hide no option that is right', () => {
  const text = `port: 65536
prot: 7677
memory: 512M
netns:
  - pod1
  - 7
sample: [all]
filter: host and (
json: yes
log-level: loud
`;
  expect(problems(text)).toEqual([
    '1:7 port BAD_PORT',
    '2:1 prot CONFIG_UNKNOWN_KEY',
    '6:5 netns[1] CONFIG_WRONG_TYPE',
    '7:9 sample CONFIG_WRONG_TYPE',
    '8:9 filter FILTER_SYNTAX',
    '9:7 json CONFIG_WRONG_TYPE',
    '10:12 log-level BAD_LOG_LEVEL',
  ]);
  expect(parseConfig(text, yaml).values).toEqual({ memory: '512M' });
});

describe('what is no configuration', () => {
  it.each([
    ['- port', ['1:1  CONFIG_NOT_A_MAPPING']],
    ['port', ['1:1  CONFIG_NOT_A_MAPPING']],
    ['port: 1\nport: 2', ['2:1  CONFIG_DUPLICATE_KEY']],
    ['port: [1\nfilter: tcp', ['2:1  CONFIG_SYNTAX']],
    ['port: 1\n---\nport: 2', ['2:1  CONFIG_SYNTAX']],
    ['port: *there', ['1:1 port CONFIG_WRONG_TYPE']],
    ['port: !!thing 1', ['1:7  CONFIG_SYNTAX']],
    ['help: true', ['1:1 help CONFIG_UNKNOWN_KEY']],
    ['config: other.yaml', ['1:1 config CONFIG_UNKNOWN_KEY']],
    ['__proto__: 1', ['1:1 __proto__ CONFIG_UNKNOWN_KEY']],
    ['1: 1', ['1:1 1 CONFIG_UNKNOWN_KEY']],
    ['? [a, b]\n: 1', ['1:3 ["a","b"] CONFIG_UNKNOWN_KEY']],
    ['port:', ['1:6 port CONFIG_WRONG_TYPE']],
    ['port: 1.5', ['1:7 port CONFIG_WRONG_TYPE']],
    ['port: -1', ['1:7 port BAD_PORT']],
    ['netns: pod1', ['1:8 netns CONFIG_WRONG_TYPE']],
    ['netns: {a: 1}', ['1:8 netns CONFIG_WRONG_TYPE']],
    ['sample: all\ncpu-budget: 5', ['2:1 cpu-budget BUDGET_UNUSED']],
  ])('%j: %j', (text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it('nested without end is refused, too', () => {
    expect(problems(`port: ${'['.repeat(CONFIG_LIMIT - 10)}`)[0]).toMatch(/CONFIG_SYNTAX$/);
  });
});

describe('a file', () => {
  it('may be as large as the limit, and no larger', async () => {
    const path = join(folder, 'large.yaml');
    writeFileSync(path, `#${' '.repeat(CONFIG_LIMIT - 1)}`);
    expect(await fault(path)).toBe('none');
    writeFileSync(path, `#${' '.repeat(CONFIG_LIMIT)}`);
    expect(await fault(path)).toBe('CONFIG_TOO_LARGE');
    truncateSync(path, 2 ** 40);
    expect(await fault(path)).toBe('CONFIG_TOO_LARGE');
  });

  it.each(['/dev/zero', '/', '/nonexistent'])('is read at once: not %s', async (path) => {
    expect(await fault(path)).toBe('CONFIG_NOT_READABLE');
  });
});
