#!/usr/bin/env node
// @ts-check
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { argv, execPath, stderr, version } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, STATE_FOLDER } from './build-steps.mjs';
import { provideSystemPackages } from './debian-packages.mjs';
import { withFileLock } from './file-lock.mjs';
import { provideNpmPackages } from './npm-packages.mjs';
import { SetupError } from './setup-error.mjs';

/** The checkout this file is in. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const OLDEST_NODE = [20, 19];

/** @param {string} line */
function report(line) {
  stderr.write(`setup: ${line}\n`);
}

/**
 * From a bare checkout to one that runs: system packages, npm packages, build. Does
 * nothing, and says nothing, when all is in place.
 *
 * @param {{ test?: boolean, steps?: readonly string[] }} [options] `test` adds the packages only
 *   tests need; `steps` limits the build to those of build-steps.mjs, none for an empty list
 * @throws {SetupError}
 */
export async function bootstrap(options = {}) {
  checkPlatform();
  await withFileLock(join(ROOT, STATE_FOLDER, 'lock'), report, async () => {
    await provideSystemPackages(options.test ? ['build', 'run', 'test'] : ['build', 'run'], report);
    await provideNpmPackages(ROOT, report);
    await build(ROOT, report, options.steps);
  });
}

function checkPlatform() {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor)) {
    throw new SetupError(
      'SETUP_NODE_VERSION',
      `Node ${OLDEST_NODE.join('.')} or newer is needed, this is ${version}`,
      { status: 3 },
    );
  }
  if (process.platform !== 'linux') {
    throw new SetupError('SETUP_PLATFORM', `Linux is needed, this is ${process.platform}`, {
      status: 3,
    });
  }
  const headers = join(dirname(dirname(execPath)), 'include', 'node', 'node_api.h');
  if (!existsSync(headers)) {
    throw new SetupError(
      'SETUP_NODE_HEADERS',
      `the headers of this Node are missing (${headers}); use a Node that comes with them, ` +
        'such as the official archive',
      { status: 3 },
    );
  }
}

/**
 * Say what went wrong the way every command here says it.
 *
 * @param {unknown} error
 * @returns {number} exit status
 */
export function reportFailure(error) {
  if (!(error instanceof SetupError)) throw error;
  if (error.output !== '') stderr.write(`${error.output.trimEnd()}\n`);
  stderr.write(`setup: ${error.message} [${error.code}]\n`);
  return error.status;
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  try {
    await bootstrap({
      test: argv.includes('--test'),
      ...(argv.includes('--no-build') ? { steps: [] } : {}),
    });
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}
