#!/usr/bin/env node
// @ts-check
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execPath, stdout } from 'node:process';
import { pathToFileURL } from 'node:url';
import { bootstrap, ROOT, reportFailure } from './bootstrap.mjs';
import { runChild } from './child-process.mjs';

const LIMIT_SECONDS = 300;

/**
 * @typedef {object} Check
 * @property {string} name
 * @property {readonly string[]} command
 */

/** @returns {Check[]} */
function checks() {
  const tool = /** @param {string} path */ (path) => join('node_modules', ...path.split('/'));
  const tsc = [execPath, tool('typescript/bin/tsc'), '--noEmit', '-p'];
  /** @type {Check[]} */
  const list = [
    {
      name: 'biome: format and lint',
      command: [
        execPath,
        tool('@biomejs/biome/bin/biome'),
        'check',
        '--error-on-warnings',
        '--no-errors-on-unmatched',
        '--max-diagnostics=100',
      ],
    },
    { name: 'types: src/protocol', command: [...tsc, 'src/protocol/tsconfig.json'] },
    { name: 'types: src', command: [...tsc, 'tsconfig.json'] },
    { name: 'types: src/setup', command: [...tsc, 'src/setup/tsconfig.json'] },
    { name: 'types: test', command: [...tsc, 'test/tsconfig.json'] },
    { name: 'types: native', command: [...tsc, 'native/tsconfig.json'] },
  ];
  const ui = JSON.parse(readFileSync(join(ROOT, 'ui', 'package.json'), 'utf8'));
  if (ui.scripts?.check !== undefined || existsSync(join(ROOT, 'ui', 'src'))) {
    list.push({
      name: 'types: ui',
      command: ['npm', 'run', '--silent', 'check', '-w', 'hopscope-ui'],
    });
  }
  return list;
}

/**
 * Every static check, one after the other; all of them, also after one has failed.
 *
 * @param {(line: string) => void} print
 * @returns {Promise<{ passed: number, failed: number }>}
 */
export async function runChecks(print) {
  let passed = 0;
  let failed = 0;
  let log = '';
  for (const check of checks()) {
    const [command = '', ...args] = check.command;
    const result = await runChild(command, args, { cwd: ROOT, limitSeconds: LIMIT_SECONDS });
    log += `# ${check.name}: status ${result.status}\n${result.output}\n`;
    if (result.status === 0) {
      passed += 1;
      print(`ok      ${check.name}`);
    } else {
      failed += 1;
      if (result.output !== '') print(result.output.trimEnd());
      print(`FAILED  ${check.name}${result.timedOut ? ` (over ${LIMIT_SECONDS} s)` : ''}`);
    }
  }
  mkdirSync(join(ROOT, 'test-results'), { recursive: true });
  writeFileSync(join(ROOT, 'test-results', 'check.log'), log);
  return { passed, failed };
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  try {
    // The types of src rest on the declarations of these packages.
    await bootstrap({ steps: ['native', 'protocol'] });
    const { passed, failed } = await runChecks((line) => stdout.write(`${line}\n`));
    stdout.write(`${passed} passed, ${failed} failed\n`);
    process.exitCode = failed === 0 ? 0 : 1;
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}
