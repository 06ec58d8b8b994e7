// @ts-check
// First, see there.
import './worker-state.mjs';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { deserialize } from 'node:v8';
import { getHooks, startTests } from '@vitest/runner';
import { getNames } from '@vitest/runner/utils';
import { processError } from '@vitest/utils/error';
import { chai, vi } from 'vitest';
import { VitestTestRunner } from 'vitest/runners';
import { SourceStacks } from './source-stack.mjs';
import { testReport } from './test-report.mjs';
import { enterProject } from './worker-state.mjs';

/**
 * Runs what bundle-tests.mjs has made, with plain Node:
 *
 *     node test-runner.mjs FOLDER REPORT
 *
 * It is vitest's own runner, in the place of vitest's worker; test files import it as
 * `vitest`. FOLDER has the plan and the bundles; REPORT is the file for vitest's JSON report,
 * and beside it `first-test` appears when the first test begins.
 */

// What a test file imports.
export * from 'vitest';

/** Made when the first test or the first hook before it begins. */
const FIRST_TEST = 'first-test';

/**
 * @typedef {import('@vitest/runner').File} File
 * @typedef {import('@vitest/runner').Task} Task
 * @typedef {import('@vitest/runner').Suite} Suite
 * @typedef {import('@vitest/runner').Test} Test
 */

/** @type {unknown[]} */
const unhandled = [];

class Runner extends VitestTestRunner {
  /** @type {ReadonlyMap<string, string>} */
  bundles = new Map();
  onFirstTest = () => {};
  /** @type {Map<string, Task>} */
  tasks = new Map();
  failed = 0;

  /** @override @param {string} file */
  importFile(file) {
    return import(/** @type {string} */ (this.bundles.get(file)));
  }

  /** @param {File[]} files */
  onCollected(files) {
    for (const file of files) this.#keep(file);
  }

  /** @override @param {Suite} suite */
  async onBeforeRunSuite(suite) {
    await super.onBeforeRunSuite(suite);
    // A file that did not load has no hooks.
    const hooks = /** @type {ReturnType<typeof getHooks> | undefined} */ (getHooks(suite));
    if (suite.mode === 'run' && (hooks?.beforeAll.length ?? 0) > 0) this.#begin();
  }

  /** @override @param {Test} test */
  async onBeforeRunTask(test) {
    // A test that is left out stays what it is, also after a bail.
    if (test.mode === 'run' || test.mode === 'queued') await super.onBeforeRunTask(test);
  }

  /** @override @param {Test} test */
  onBeforeTryTask(test) {
    super.onBeforeTryTask(test);
    this.#begin();
  }

  /** @override @param {Test} test */
  onAfterRunTask(test) {
    super.onAfterRunTask(test);
    if (test.result?.state !== 'fail') return;
    this.failed += 1;
    if (this.config.bail && this.failed >= this.config.bail) this.cancel('test-failure');
  }

  /** @param {unknown} _packs @param {readonly (readonly [string, string, unknown])[]} events */
  async onTaskUpdate(_packs, events) {
    for (const [id, event] of events) {
      const task = this.tasks.get(id);
      if (event === 'test-finished' && task?.type === 'test') print(testLine(task));
    }
  }

  #begin() {
    this.onFirstTest();
    this.onFirstTest = () => {};
  }

  /** @param {Task} task */
  #keep(task) {
    this.tasks.set(task.id, task);
    if (task.type === 'suite') for (const each of task.tasks) this.#keep(each);
  }
}

/**
 * vitest's types allow a project without a name, its runner's do not; all of ours have one.
 *
 * @param {Runner} runner
 */
function asRunner(runner) {
  return /** @type {import('@vitest/runner').VitestRunner} */ (/** @type {unknown} */ (runner));
}

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/** @param {Test} test */
function testLine(test) {
  const names = getNames(test).join(' > ');
  const time = test.result?.duration === undefined ? '' : ` ${Math.round(test.result.duration)}ms`;
  const retried = test.result?.retryCount ? ` (retry x${test.result.retryCount})` : '';
  switch (test.result?.state) {
    case 'pass':
      return ` ✓ ${names}${time}${retried}`;
    case 'fail':
      return [` × ${names}${time}${retried}`, ...errorLines(test)].join('\n');
    default:
      return ` ↓ ${names}`;
  }
}

/**
 * Of a time limit, the stack begins with vitest's own words and not with the message.
 *
 * @param {{ name?: string, message: string, stack?: string }} error
 */
function errorText({ name = 'Error', message, stack = '' }) {
  const frames = stack.split('\n').filter((line) => /^ +at /.test(line));
  return [`${name}: ${message}`, ...frames].join('\n');
}

/** @param {Task} task */
function errorLines(task) {
  return (task.result?.errors ?? []).flatMap((error) =>
    [errorText(error), ...(error.diff ? ['', error.diff] : [])]
      .join('\n')
      .split('\n')
      .map((line) => `   ${line}`),
  );
}

/** Suites and files that failed by themselves: a hook threw, or a file did not load. */
function* failedSuites(/** @type {Suite} */ suite) {
  /** @type {Suite[]} */
  const waiting = [suite];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.result?.state === 'fail' && next.result.errors?.length) yield next;
    waiting.push(...next.tasks.filter((task) => task.type === 'suite'));
  }
}

/**
 * @param {string} folder
 * @param {string} reportFile
 * @returns {Promise<number>} exit status
 */
async function main(folder, reportFile) {
  /** @type {import('./bundle-tests.mjs').TestPlan} */
  const plan = deserialize(readFileSync(join(folder, 'plan')));
  const started = Date.now();
  const stacks = new SourceStacks(folder, plan.folder, 'test-runner.mjs');
  // Node asks when somebody reads a stack, and some tests do.
  Error.prepareStackTrace = (error, frames) =>
    stacks.map([String(error), ...frames.map((frame) => `    at ${frame}`)].join('\n'));
  const onFirstTest = () => writeFileSync(join(reportFile, '..', FIRST_TEST), '');
  /** @type {File[]} */
  const done = [];
  process.on('uncaughtException', (error) => unhandled.push(error));
  process.on('unhandledRejection', (error) => unhandled.push(error));
  process.exit = (code) => {
    throw new Error(`process.exit unexpectedly called with "${code ?? process.exitCode ?? 0}"`);
  };
  let begun = false;
  for (const { config, files } of plan.projects) {
    enterProject(config);
    if (config.chaiConfig) Object.assign(chai.config, config.chaiConfig);
    const runner = new Runner(config);
    runner.bundles = new Map(
      files.map(({ source, bundle }) => [source, pathToFileURL(join(folder, bundle)).href]),
    );
    runner.onFirstTest = () => {
      if (!begun) onFirstTest();
      begun = true;
    };
    for (const { source } of files) {
      const [file] = await startTests([source], asRunner(runner));
      vi.resetConfig();
      vi.restoreAllMocks();
      if (file === undefined) continue;
      done.push(file);
      for (const suite of failedSuites(file)) {
        print([` × ${getNames(suite).join(' > ')}`, ...errorLines(suite)].join('\n'));
      }
    }
  }
  const errors = unhandled.map((error) => processError(error));
  for (const error of errors) {
    print(`Unhandled error\n${errorText(error)}`);
  }
  const report = testReport(done, started);
  writeFileSync(reportFile, JSON.stringify(report));
  print(
    `\n tests ${report.numPassedTests} passed, ${report.numFailedTests} failed, ` +
      `${report.numPendingTests + report.numTodoTests} skipped`,
  );
  return report.success && errors.length === 0 ? 0 : 1;
}

const [folder, reportFile] = process.argv.slice(2);
if (folder === undefined || reportFile === undefined) {
  process.stderr.write('usage: node test-runner.mjs FOLDER REPORT\n');
  process.exit(2);
}
Error.stackTraceLimit = 100;
// Node ends when nothing is left to wait for; a test that does not end has to meet its time limit.
setInterval(() => {}, 2 ** 30);
// Not what a test calls.
const exit = process.exit.bind(process);
main(folder, reportFile).then(
  (status) => exit(status),
  (error) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    exit(1);
  },
);
