#!/usr/bin/env node
// @ts-check
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv, env, execPath, stdout } from 'node:process';
import { bootstrap, ROOT, reportFailure } from '../src/setup/bootstrap.mjs';
import { runChecks } from '../src/setup/check.mjs';
import { runChild } from '../src/setup/child-process.mjs';
import { byLine } from './guest/by-line.mjs';
import { GUEST_FAILED, lastWords, runGuest, TIMED_OUT } from './guest/guest.mjs';
import { guestTests } from './guest/guest-tests.mjs';
import { provideKernel } from './guest/kernel-packages.mjs';
import { PAIR, runPair, SELVES } from './guest/pair.mjs';
import { quote } from './guest/shell-words.mjs';
import { expectedSkips, kernelVersion, unexpectedSkips } from './report/expected-skips.mjs';
import { readReport } from './report/read-report.mjs';
import { tableOfRuns } from './report/scenario-runs.mjs';
import { sameTables, tableIn } from './report/scenario-table.mjs';
import { addSums, emptySum, flakyNote, sumLine, sumReport } from './report/vitest-report.mjs';

/**
 * @typedef {import('./report/vitest-report.mjs').Sum} Sum
 * @typedef {import('./guest/kernel-packages.mjs').KernelName} KernelName
 *
 * @typedef {object} Suite
 * @property {string} name a vitest project, or `check`
 * @property {number} limitSeconds
 * @property {number} [workers] files at a time, where vitest would take fewer
 * @property {boolean} [root] needs root
 * @property {boolean} [lab] uses the lab, of which a machine has one
 * @property {KernelName} [guest] runs in a guest with this kernel
 * @property {boolean} [beside] at the same time as its neighbours that say so too
 * @property {readonly string[]} [tests] what a guest runs, in the words of vitest
 * @property {boolean} [pair] runs in two guests on one Ethernet segment
 * @property {boolean} [sanitized] the native tests, with the addon under ASan and UBSan
 * @property {boolean} [named] takes long, and runs only where it is named
 * @property {boolean} [quick] part of `npm run test:quick`
 */

/** Under emulation everything takes some ten times as long. */
const GUEST_LIMIT_SECONDS = 2400;

/**
 * Configurations of the cluster, each a file. Those that a kernel may lack run on both kernels; of the
 * others each runs on one and on this machine's, or all of them would take half an hour more.
 */
const ON_BOTH = ['ipip', 'wireguard', 'ipvs'];
const ON_6_12 = ['nftables', 'cross-subnet'];
const ON_6_1 = ['iptables-legacy', 'bgp', 'vxlan'];

/** @param {readonly string[]} clusters */
function clusterTests(clusters) {
  const files = clusters.map((name) => `test/scenario/${name}.test.ts`);
  // Again when one fails: an emulated machine may lose a second where a test waits for one.
  return ['--project', 'scenario', ...files, '--retry=2'];
}

const ALL_CLUSTERS = clusterTests([...ON_BOTH, ...ON_6_12, ...ON_6_1]);
const LATENCY_TESTS = ['--project', 'scenario', 'test/scenario/latency.test.ts'];

/** @type {readonly Suite[]} */
const SUITES = [
  { name: 'check', limitSeconds: 600, quick: true },
  { name: 'unit', limitSeconds: 600, workers: 2, quick: true },
  { name: 'fuzz', limitSeconds: 600, workers: 2, quick: true },
  { name: 'native', limitSeconds: 600, root: true, quick: true },
  { name: 'kernel', limitSeconds: 1200, root: true, lab: true },
  { name: 'scenario', limitSeconds: 1200, root: true, lab: true },
  { name: 'browser', limitSeconds: 600, root: true, lab: true },
  // One after the other: who measures time wants the machine to himself.
  guestSuite('latency-6.12', '6.12', LATENCY_TESTS),
  guestSuite('latency-6.1', '6.1', LATENCY_TESTS),
  guestSuite('guest-6.12', '6.12', clusterTests([...ON_BOTH, ...ON_6_12]), { beside: true }),
  guestSuite('guest-6.1', '6.1', clusterTests([...ON_BOTH, ...ON_6_1]), { beside: true }),
  guestSuite('guest-6.12-all', '6.12', ALL_CLUSTERS, { beside: true, named: true }),
  guestSuite('guest-6.1-all', '6.1', ALL_CLUSTERS, { beside: true, named: true }),
  // Minutes for its build alone.
  { name: 'native-asan', limitSeconds: 1800, root: true, sanitized: true, named: true },
  { name: 'two-kernels', limitSeconds: 900, root: true, pair: true },
];

/**
 * @param {string} name
 * @param {KernelName} guest
 * @param {readonly string[]} tests
 * @param {Pick<Suite, 'beside' | 'named'>} [when]
 * @returns {Suite}
 */
function guestSuite(name, guest, tests, when = {}) {
  return { name, limitSeconds: GUEST_LIMIT_SECONDS, root: true, guest, tests, ...when };
}

/** What runs where no suite is named. */
const WHOLE = SUITES.filter(({ named }) => named !== true);

const RESULTS = join(ROOT, 'test-results');
const SKIPS = expectedSkips();
const README = join(ROOT, 'README.md');
const LAB_LOCK = join(tmpdir(), 'hopscope-lab.lock');
const LAB_WAIT_SECONDS = 1200;
/** Exit status of flock(1) when the lab stayed taken. */
const LAB_BUSY = 75;
const KILL_AFTER_SECONDS = 15;

/** @param {string} line */
function print(line) {
  stdout.write(`${line}\n`);
}

/** What failed in any suite, said once more at the end: of a long output that is what is kept. */
const PROBLEMS = /** @type {string[]} */ ([]);

/** @param {string} suite @param {readonly string[]} problems */
function printProblems(suite, problems) {
  for (const problem of problems) {
    print(`${suite}: ${problem}`);
    PROBLEMS.push(`${suite}: ${problem}`);
  }
}

/** @param {Suite} suite @returns {Promise<Sum>} */
async function runSuite(suite) {
  if (suite.name === 'check') return { ...emptySum(), ...(await runChecks(print)) };
  if (suite.root && process.getuid?.() !== 0) {
    print(`${suite.name}: cannot run, it loads kernel programs and makes namespaces: run as root`);
    // Outside CI an unprivileged run is of use; in CI a suite left out is a failure.
    return env.CI === 'true' ? { ...emptySum(), failed: 1 } : { ...emptySum(), skipped: 1 };
  }
  if (suite.guest !== undefined) return runGuestSuite(suite, suite.guest);
  if (suite.pair === true) return runPairSuite(suite);
  if (suite.sanitized === true) return runSanitizedSuite(suite);
  const file = reportFile(suite.name);
  rmSync(file, { force: true });
  const namespaces = namespaceNames();
  const vitest = [
    join('node_modules', 'vitest', 'vitest.mjs'),
    'run',
    '--project',
    suite.name,
    ...(suite.workers === undefined ? [] : [`--maxWorkers=${suite.workers}`]),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ];
  const locked = suite.lab === true && env.HOPSCOPE_LAB_LOCKED !== '1';
  const limit = String(suite.limitSeconds);
  // The time limit starts when the lab is ours, so it is inside the lock.
  const [command, args] = locked
    ? [
        'flock',
        ['-w', String(LAB_WAIT_SECONDS), '-E', String(LAB_BUSY), LAB_LOCK].concat(
          ['timeout', `--kill-after=${KILL_AFTER_SECONDS}`, limit, execPath],
          vitest,
        ),
      ]
    : ['timeout', [`--kill-after=${KILL_AFTER_SECONDS}`, limit, execPath, ...vitest]];
  const result = await runChild(command, args, {
    cwd: ROOT,
    inherit: true,
    limitSeconds: suite.limitSeconds + KILL_AFTER_SECONDS + (locked ? LAB_WAIT_SECONDS : 0),
    env: { ...env, HOPSCOPE_LAB_LOCKED: '1' },
  });
  if (suite.lab && result.status !== LAB_BUSY) await takeLabDown();
  const { sum, problems, remarks, skipped } = sumReport(readReport(file), result.status);
  checkSkips(suite.name, release(), skipped, sum, problems);
  if (suite.root && result.status !== LAB_BUSY) {
    const left = namespaceNames().filter((name) => !namespaces.includes(name));
    if (left.length > 0) problems.push(`namespaces that remain: ${left.join(', ')}`);
    // Elsewhere than in CI they may be somebody else's, made in the meantime.
    if (left.length > 0 && env.CI === 'true') sum.failed += 1;
  }
  if (result.status === LAB_BUSY) problems.push('another run kept the lab to itself');
  if (result.timedOut || [124, 137].includes(result.status)) {
    problems.push(`the suite took over ${limit} s and was ended`);
  }
  printProblems(suite.name, [...problems, ...remarks]);
  return sum;
}

/**
 * A test that is skipped where it is not expected fails in CI: it would go unseen for ever.
 *
 * @param {string} suite
 * @param {string} kernel its release
 * @param {readonly string[]} skipped
 * @param {Sum} sum
 * @param {string[]} problems
 */
function checkSkips(suite, kernel, skipped, sum, problems) {
  const unexpected = unexpectedSkips(SKIPS, suite, kernelVersion(kernel), skipped);
  if (unexpected === null) {
    if (skipped.length > 0) problems.push(`skips on Linux ${kernel} are not pinned`);
    return;
  }
  for (const name of unexpected) problems.push(`skipped and not expected to be: ${name}`);
  if (env.CI !== 'true') return;
  sum.failed += unexpected.length;
  sum.skipped -= unexpected.length;
}

/** @param {string} suite */
function reportFile(suite) {
  return join(RESULTS, `${suite}.json`);
}

/** @param {Suite} suite @returns {Promise<Sum>} */
async function runSanitizedSuite({ name, limitSeconds }) {
  const file = reportFile(name);
  rmSync(file, { force: true });
  const args = [join('test', 'fuzz', 'asan.mjs'), '--report', file];
  const result = await runChild(execPath, args, { cwd: ROOT, limitSeconds });
  writeFileSync(join(RESULTS, `${name}.log`), result.output);
  const { sum, problems, remarks } = sumReport(readReport(file), result.status);
  // What the sanitizers cannot run is left out by name; it ran in `native`.
  sum.skipped = 0;
  if (result.timedOut) problems.push(`took over ${limitSeconds} s and was ended`);
  printProblems(name, [...problems, ...remarks]);
  return sum;
}

/** Of each guest: two of them run side by side. */
const GUEST_CPUS = Math.max(1, Math.floor(availableParallelism() / 2));

/** @param {Suite} suite @returns {Promise<Sum>} */
async function runPairSuite({ name, limitSeconds }) {
  const share = join(RESULTS, name);
  rmSync(share, { recursive: true, force: true });
  try {
    const statuses = await runPair({
      share,
      tests: [],
      cpus: GUEST_CPUS,
      limitSeconds,
      onLine: (self, line) => print(`${name}, ${self}: ${line}`),
    });
    return SELVES.map((self, index) =>
      guestSum(
        `${name}, ${self}`,
        join(share, self),
        statuses[index] ?? GUEST_FAILED,
        limitSeconds,
        PAIR[index] ?? PAIR[0],
      ),
    ).reduce(addSums, emptySum());
  } catch (error) {
    reportFailure(error);
    return { ...emptySum(), failed: 1 };
  }
}

/**
 * @param {string} suite
 * @param {string} share
 * @param {number} status
 * @param {number} limitSeconds
 * @param {string} kernel
 * @returns {Sum}
 */
function guestSum(suite, share, status, limitSeconds, kernel) {
  const report = readReport(join(share, 'report.json'));
  const { sum, problems, remarks, skipped } = sumReport(report, status);
  checkSkips(suite, kernel, skipped, sum, problems);
  if (status === TIMED_OUT) problems.push(`took over ${limitSeconds} s and was ended`);
  if (status === GUEST_FAILED) problems.push(`the guest failed:\n${lastWords(share)}`);
  printProblems(suite, [...problems, ...remarks]);
  return sum;
}

/** @param {Suite} suite @param {KernelName} name @returns {Promise<Sum>} */
async function runGuestSuite(suite, name) {
  const { limitSeconds, tests = [] } = suite;
  const share = join(RESULTS, suite.name);
  rmSync(share, { recursive: true, force: true });
  /** @param {string} line */
  const progress = (line) => print(`${suite.name}: ${line}`);
  const output = byLine(progress);
  try {
    const kernel = await provideKernel(name, progress);
    progress(`Linux ${kernel.release}`);
    const status = await runGuest({
      kernel,
      share,
      command: `cd ${quote(ROOT)} && export CI=${quote(env.CI ?? '')} && ${await guestTests(tests, share)}`,
      cpus: GUEST_CPUS,
      limitSeconds,
      onFirstTest: (seconds) => progress(`first test after ${seconds.toFixed(1)} s`),
      onOutput: output.add,
    });
    output.end();
    return guestSum(suite.name, share, status, limitSeconds, kernel.release);
  } catch (error) {
    reportFailure(error);
    return { ...emptySum(), failed: 1 };
  }
}

/**
 * Compares which scenario held on which kernel, in the runs just done, with the README. One that
 * did not hold is a failure, and so is a README that has another table.
 *
 * @returns {number} failures
 */
function compareScenarioTable() {
  const { markdown, problems } = tableOfRuns(RESULTS);
  writeFileSync(join(RESULTS, 'scenarios.md'), `${markdown}\n`);
  print(`\nscenarios, by kernel (test-results/scenarios.md):\n${markdown}`);
  for (const problem of problems) print(`does not hold: ${problem}`);
  if (problems.length > 0) return problems.length;
  const table = tableIn(readFileSync(README, 'utf8'));
  if (table !== null && sameTables(table, markdown)) return 0;
  print('README.md has another table: npm run scenarios writes this one');
  return 1;
}

function namespaceNames() {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : [];
}

/** What a failed test left of the lab must not reach the next suite. */
async function takeLabDown() {
  const main = join(ROOT, 'dist', 'cli', 'main.js');
  if (!existsSync(main)) return;
  const result = await runChild(execPath, [main, 'lab', 'down'], { limitSeconds: 60 });
  if (result.status !== 0) print(`lab down: status ${result.status}\n${result.output}`);
}

/** @param {readonly string[]} names */
function chosenSuites(names) {
  if (names.length === 1 && names[0] === '--quick') return SUITES.filter(({ quick }) => quick);
  const unknown = names.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown.length > 0) {
    print(`no suite ${unknown.join(', ')}; there are ${SUITES.map(({ name }) => name).join(', ')}`);
    return null;
  }
  return names.length === 0 ? WHOLE : SUITES.filter((suite) => names.includes(suite.name));
}

/**
 * @param {readonly Suite[]} suites
 * @returns {Suite[][]} what runs at the same time, one after the other
 */
function inTurn(suites) {
  /** @type {Suite[][]} */
  const turns = [];
  for (const suite of suites) {
    const last = turns.at(-1);
    if (suite.beside && last?.[0]?.beside) last.push(suite);
    else turns.push([suite]);
  }
  return turns;
}

async function main() {
  const suites = chosenSuites(argv.slice(2));
  if (suites === null) return 2;
  if (suites === WHOLE) rmSync(RESULTS, { recursive: true, force: true });
  mkdirSync(RESULTS, { recursive: true });
  try {
    await bootstrap({ test: process.getuid?.() === 0 });
  } catch (error) {
    const status = reportFailure(error);
    print(sumLine({ ...emptySum(), failed: 1 }));
    return status;
  }
  /** @type {{ name: string, sum: Sum, seconds: number }[]} */
  const results = [];
  /** @param {Suite} suite */
  const measure = async (suite) => {
    print(`\n== ${suite.name} ==`);
    const started = performance.now();
    const sum = await runSuite(suite);
    results.push({ name: suite.name, sum, seconds: (performance.now() - started) / 1000 });
  };
  for (const together of inTurn(suites)) await Promise.all(together.map(measure));
  // As another user nothing has run that could be in it.
  if (suites === WHOLE && process.getuid?.() === 0) {
    const failed = compareScenarioTable();
    results.push({ name: 'scenarios by kernel', sum: { ...emptySum(), failed }, seconds: 0 });
  }
  print('');
  for (const problem of PROBLEMS) print(problem);
  for (const { name, sum, seconds } of results) {
    print(`${name.padEnd(10)} ${sumLine(sum)}${flakyNote(sum)} (${seconds.toFixed(0)} s)`);
  }
  const total = results.reduce((all, { sum }) => addSums(all, sum), emptySum());
  if (total.flaky > 0) print(`${total.flaky} flaky: passed at a later try, not counted as passed`);
  print(sumLine(total));
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
