import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { fileReports, sumReport } from '../report/vitest-report.mjs';

/**
 * Each is run by vitest itself and by the runner of the guests, on this machine: what they
 * report must not differ.
 */
const FILES = {
  'outcomes.test.ts': `
    import { describe, expect, it, test, vi } from 'vitest';
    test('holds', () => expect(1).toBe(1));
    test('does not hold', () => expect({ a: 1, b: [2] }).toEqual({ a: 1, b: [3] }));
    test('throws', () => { throw new TypeError('no'); });
    test.skip('left out', () => {});
    test.todo('to be written');
    test.skipIf(true)('left out here', () => {});
    test.runIf(true)('runs here', () => {});
    test.fails('fails as it should', () => { throw new Error('yes'); });
    it.each([[1, 2], [3, 5]])('%i and its next %i', (a, b) => expect(a + 1).toBe(b));
    it.each([{ name: 'x', size: 1 }])('$name of $size', ({ size }) => expect(size).toBe(1));
    test('hangs', { timeout: 100 }, () => new Promise(() => {}));
    test('leaves at run time', (context) => context.skip('not today'));
    test('asserts too little', () => { expect.assertions(2); expect(1).toBe(1); });
    test('asserts softly', () => { expect.soft(1).toBe(2); expect.soft(2).toBe(3); });
    test('polls', async () => {
      let calls = 0;
      await expect.poll(() => ++calls, { interval: 1 }).toBe(3);
    });
    test('waits', () => vi.waitFor(() => expect(performance.now()).toBeGreaterThan(0)));
    let tries = 0;
    test('holds at the second try', { retry: 1 }, () => expect(++tries).toBe(2));
    test('matches', () => expect({ a: 'text', n: 1 }).toEqual(
      expect.objectContaining({ a: expect.stringMatching(/^te/) })));
    describe('group', () => {
      describe('in a group', () => { test('deep', () => {}); });
      describe.skip('left out', () => { test('deep and left out', () => {}); });
      describe.each(['one', 'two'])('group %s', (name) => {
        test('has ' + name, () => expect(name).toBe('one'));
      });
      test.concurrent('beside', async ({ expect: own }) => own(1).toBe(1));
    });
  `,
  'hooks.test.ts': `
    import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
    const order: string[] = [];
    beforeAll(() => { order.push('all'); return () => { order.push('end'); }; });
    beforeEach(() => { order.push('each'); });
    test('after its hooks', () => {
      onTestFinished(() => { order.push('finished'); });
      expect(order).toEqual(['all', 'each']);
    });
    test('after the first', () => expect(order).toEqual(['all', 'each', 'finished', 'each']));
    describe('beforeAll throws', () => {
      beforeAll(() => { throw new Error('before'); });
      test('not reached', () => {});
    });
    describe('beforeAll hangs', () => {
      beforeAll(() => new Promise(() => {}), 100);
      test('not reached either', () => {});
    });
    describe('afterAll throws', () => {
      afterAll(() => { throw new Error('after'); });
      test('held', () => {});
    });
    describe('beforeEach throws', () => {
      beforeEach(() => { throw new Error('each'); });
      test('fails by it', () => {});
    });
    describe('afterEach throws', () => {
      afterEach(() => { throw new Error('each'); });
      test('fails after all', () => {});
    });
  `,
  'place.test.ts': `
    import { readFileSync } from 'node:fs';
    import { expect, test } from 'vitest';
    import { ownText } from './place.js';
    test('knows its place in a stack', () => {
      expect(new Error('here').stack).toContain('place.test.ts:6:');
    });
    test('finds what is beside it', () => {
      expect(readFileSync(new URL('place.ts', import.meta.url), 'utf8')).toBe(ownText());
      expect(import.meta.filename).toBe(import.meta.dirname + '/place.test.ts');
      expect(process.env.VITEST).toBe('true');
    });
  `,
  'place.ts': `
    import { readFileSync } from 'node:fs';
    import { fileURLToPath } from 'node:url';
    export function ownText() { return readFileSync(fileURLToPath(import.meta.url), 'utf8'); }
    export const state = { uses: 0 };
  `,
  'state-1.test.ts': `
    import { expect, test } from 'vitest';
    import { state } from './place.js';
    test('has modules of its own', () => expect(++state.uses).toBe(1));
  `,
  'state-2.test.ts': `
    import { expect, test } from 'vitest';
    import { state } from './place.js';
    test('has modules of its own too', () => expect(++state.uses).toBe(1));
  `,
  'load.test.ts': `
    import { test } from 'vitest';
    test('not reached', () => {});
    throw new Error('at loading');
  `,
  'missing.test.ts': `
    import { test } from 'vitest';
    import './nowhere.js';
    test('not reached', () => {});
  `,
  'empty.test.ts': 'export {};',
  'leaves.test.ts': `
    import { test } from 'vitest';
    test('ends its process', () => process.exit(0));
  `,
  'unhandled.test.ts': `
    import { test } from 'vitest';
    test('leaves a promise', () => { void Promise.reject(new Error('nobody waits')); });
    test('after it', () => new Promise((resolve) => setTimeout(resolve, 20)));
  `,
} as const;

const CONFIG = `
  import { defineConfig } from 'vitest/config';
  const one = { pool: 'forks', poolOptions: { forks: { singleFork: true } } };
  export default defineConfig({ test: {
    projects: [{ test: { name: 'own', include: ['*.test.ts'], testTimeout: 3000, ...one } }],
  } });
`;

interface Outcome {
  readonly run: SpawnSyncReturns<string>;
  readonly report: unknown;
}

let folder: string;
beforeAll(() => {
  mkdirSync(join(ROOT, 'test-results'), { recursive: true });
  folder = mkdtempSync(join(ROOT, 'test-results', 'bundle-tests-'));
  writeFileSync(join(folder, 'vitest.config.mjs'), CONFIG);
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function node(args: readonly string[]) {
  // As a user starts it: not as a part of the vitest that runs this.
  const own = /^(VITEST|TEST$|NODE_ENV$|VITE_|DEV$|PROD$|MODE$|SSR$|BASE_URL$|FORCE_COLOR$)/u;
  const kept = Object.entries(process.env).filter(([name]) => !own.test(name));
  const env = { ...Object.fromEntries(kept), NO_COLOR: '1' };
  return spawnSync(process.execPath, args, { cwd: folder, env, encoding: 'utf8', timeout: 60_000 });
}

function readReport(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

function byVitest(words: readonly string[]): Outcome {
  const file = join(folder, 'by-vitest.json');
  rmSync(file, { force: true });
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const run = node([vitest, 'run', '--reporter=json', `--outputFile=${file}`, ...words]);
  return { run, report: readReport(file) };
}

function bundle(words: readonly string[]) {
  const module = JSON.stringify(join(ROOT, 'test/guest/bundle-tests.mjs'));
  const script = `import { bundleTests } from ${module};
    const [folder, ...words] = process.argv.slice(1);
    try {
      await bundleTests(words, folder);
    } catch (error) {
      console.error(error);
      process.exitCode = 1;
    }`;
  const args = [join(folder, 'bundles'), '--root', folder, ...words];
  rmSync(join(folder, 'bundles'), { recursive: true, force: true });
  return node(['--input-type=module', '--eval', script, '--', ...args]);
}

function byGuestRunner(words: readonly string[]): Outcome {
  const bundled = bundle(words);
  expect(bundled.stderr).toBe('');
  const file = join(folder, 'by-guest-runner.json');
  for (const left of [file, join(folder, 'first-test')]) rmSync(left, { force: true });
  const run = node([join(folder, 'bundles/test-runner.mjs'), join(folder, 'bundles'), file]);
  return { run, report: readReport(file) };
}

/** What readers of a report look at; of a failure its first line, for the rest are places. */
function essence({ report }: Outcome) {
  return fileReports(report)
    .map((file) => ({
      name: file.name,
      status: file.status,
      tests: file.assertionResults.map((each) => ({
        title: each.title,
        fullName: each.fullName,
        ancestorTitles: each.ancestorTitles,
        // After a bail vitest's main process has not heard that a test was left out.
        status: each.status === 'pending' ? 'skipped' : each.status,
        failures: each.failureMessages?.map((message) => message.split('\n')[0]),
      })),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

describe('a run in a guest reports what vitest reports', () => {
  test.each([
    ['of every outcome', []],
    ['of tests that hold', ['place', 'state', '--project', 'own']],
    ['of an error nobody waited for', ['unhandled']],
    [
      'of the tests of a pattern, tried twice',
      ['outcomes', 'hooks', '--retry=1', '-t', 'group|no|by'],
    ],
    ['until the first failure', ['outcomes', '--bail=1']],
  ])('%s', { timeout: 120_000 }, (_, words) => {
    const vitest = byVitest(words);
    const guest = byGuestRunner(words);
    expect(essence(guest)).toEqual(essence(vitest));
    expect(essence(guest)).not.toEqual([]);
    expect(guest.run.status, guest.run.stdout + guest.run.stderr).toBe(vitest.run.status);
    expect(sumReport(guest.report, guest.run.status ?? -1).sum).toEqual(
      sumReport(vitest.report, vitest.run.status ?? -1).sum,
    );
  });
});

test('a failure is shown with its place in the source, and the first test is marked', () => {
  const { run } = byGuestRunner(['outcomes', '-t', 'throws|does not hold']);
  const line = FILES['outcomes.test.ts'].split('\n').findIndex((text) => text.includes("'throws'"));
  expect(run.stdout).toContain(` × outcomes.test.ts > throws`);
  expect(run.stdout).toContain('TypeError: no');
  expect(run.stdout).toContain(`${join(folder, 'outcomes.test.ts')}:${line + 1}:`);
  expect(run.stdout).toContain('-     3,');
  expect(run.stdout).not.toContain('test-runner.mjs');
  expect(existsSync(join(folder, 'first-test'))).toBe(true);
});

test.each([
  ['an option that means nothing there', ['place', '--coverage.enabled']],
  ['an option nobody knows', ['place', '--sideways']],
  ['a file that is not there', ['no-such-file']],
  ['a project that is not there', ['--project', 'none']],
])('%s is refused', (_, words) => {
  const { status, stderr } = bundle(words);
  expect(status).not.toBe(0);
  expect(stderr).toContain('GUEST_TESTS');
});
