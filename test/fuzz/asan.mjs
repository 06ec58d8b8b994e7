#!/usr/bin/env node
// @ts-check
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { argv, env, execPath, stderr, stdout } from 'node:process';
import { ROOT } from '../../src/setup/bootstrap.mjs';

/*
 * The native package's tests and the campaign on its addon, with the addon built for
 * AddressSanitizer and UndefinedBehaviorSanitizer. In a mount namespace of its own that
 * addon lies where the other one does, so that everything loads it, child processes too.
 *
 * node test/fuzz/asan.mjs [SECONDS]       of the campaign; 60 without
 * node test/fuzz/asan.mjs --report FILE   the tests alone, with vitest's JSON report
 */
const REPORT = argv[2] === '--report' ? (argv[3] ?? '') : null;
const SECONDS = argv[2] ?? '60';
const RELEASE = join('native', 'build', 'Release');
const SANITIZED = join('native', 'build', 'asan', RELEASE.slice('native/'.length));
/** They judge malloc, memory and time, all of which the sanitizers change; and the build's own. */
const FILES_LEFT_OUT = ['allocator', 'build', 'readme'].map(
  (name) => `test/native/${name}.test.ts`,
);
const TESTS_LEFT_OUT = ['little memory', 'event loop turns', 'while two processes write'];
const OPTIONS = {
  // Node frees little of its own at the end.
  ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
};

/** @param {readonly string[]} command @param {Readonly<Record<string, string>>} more */
function inNamespace(command, more) {
  const script = `mount --bind ${SANITIZED} ${RELEASE} && exec "$@"`;
  const { status, signal } = spawnSync(
    'unshare',
    ['--mount', 'sh', '-c', script, 'sh', ...command],
    { cwd: ROOT, stdio: 'inherit', env: { ...env, ...OPTIONS, ...more } },
  );
  if (signal !== null) stderr.write(`ended by ${signal}\n`);
  return status === 0;
}

function main() {
  if (process.getuid?.() !== 0) {
    stderr.write('it loads kernel programs and makes namespaces: run it as root\n');
    return 1;
  }
  execFileSync(execPath, [join('native', 'build.mjs'), '--asan'], { cwd: ROOT, stdio: 'inherit' });
  const library = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
  stdout.write('== the tests of the native package ==\n');
  const vitest = join('node_modules', 'vitest', 'vitest.mjs');
  const tests = inNamespace(
    [
      ...[execPath, vitest, 'run', '--project', 'native'],
      ...FILES_LEFT_OUT.flatMap((file) => ['--exclude', file]),
      ...['--testNamePattern', `^(?!.*(${TESTS_LEFT_OUT.join('|')}))`],
      // Everything takes several times as long.
      ...['--testTimeout=240000', '--hookTimeout=240000', '--reporter=default'],
      ...(REPORT === null ? [] : ['--reporter=json', `--outputFile.json=${REPORT}`]),
    ],
    { LD_PRELOAD: library },
  );
  if (REPORT !== null) return tests ? 0 : 1;
  stdout.write('== the campaign on the addon ==\n');
  const campaign = inNamespace(
    [execPath, join('test', 'fuzz', 'run.mjs'), '--target', 'addon', '--seconds', SECONDS],
    { HOPSCOPE_PRELOAD: library },
  );
  return tests && campaign ? 0 : 1;
}

process.exitCode = main();
