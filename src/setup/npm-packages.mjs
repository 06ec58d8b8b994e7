// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runChild } from './child-process.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * @typedef {{ version?: string, link?: boolean, optional?: boolean, devOptional?: boolean, peer?: boolean }} LockEntry
 */

/**
 * Paths of packages that the lock asks for and node_modules does not have in that
 * version. npm keeps a lock of what it installed inside node_modules, so this
 * needs no stamp of our own and sees an `npm install` done by hand.
 *
 * @param {string} root
 * @returns {string[]}
 */
export function missingNpmPackages(root) {
  const wanted = lockedPackages(join(root, 'package-lock.json'));
  const hidden = join(root, 'node_modules', '.package-lock.json');
  const present = existsSync(hidden) ? lockedPackages(hidden) : {};
  return Object.entries(wanted)
    .filter(([path, entry]) => {
      // Optional ones are for other platforms as well; workspaces are linked, not installed.
      if (!path.startsWith('node_modules/') && !path.includes('/node_modules/')) return false;
      if (entry.optional || entry.devOptional) return false;
      const found = present[path];
      return found === undefined || (!entry.link && found.version !== entry.version);
    })
    .map(([path]) => path);
}

/**
 * @param {string} file
 * @returns {Record<string, LockEntry>}
 */
function lockedPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}

/**
 * @param {string} root
 * @param {(line: string) => void} report
 * @throws {SetupError} `SETUP_NPM_PACKAGES`
 */
export async function provideNpmPackages(root, report) {
  const missing = missingNpmPackages(root);
  if (missing.length === 0) return;
  report(`installing npm packages (${missing.length} missing or changed)`);
  // No install scripts: none of ours are needed, and npm's implicit one for a binding.gyp
  // would fetch Node headers instead of taking those that came with this Node. Not
  // `npm ci`: it insists on lock entries for every platform a native package is built
  // for, which a registry that mirrors some platforms only cannot give (npm/cli#4828).
  // `--no-save` leaves the lock as it is, and its versions are the ones installed.
  const args = [
    'install',
    '--loglevel=error',
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ];
  const result = await runChild('npm', args, {
    cwd: root,
  });
  if (result.status !== 0) {
    throw new SetupError('SETUP_NPM_PACKAGES', `npm install failed with status ${result.status}`, {
      output: result.output,
    });
  }
}
