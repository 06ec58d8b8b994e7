// @ts-check
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'build', '.svelte-kit', '.git']);

/**
 * Every file at or under `path` (relative to `root`), relative to `root`, sorted;
 * without what other tools make. Nothing for a path that is not there.
 *
 * @param {string} root
 * @param {string} path
 * @returns {string[]}
 */
export function listFiles(root, path) {
  const absolute = join(root, path);
  if (!existsSync(absolute)) return [];
  if (!statSync(absolute).isDirectory()) return [path];
  return readdirSync(absolute, { withFileTypes: true })
    .filter((entry) => !(entry.isDirectory() && SKIPPED_FOLDERS.has(entry.name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name);
      if (entry.isDirectory()) return listFiles(root, child);
      return entry.isFile() ? [child] : [];
    });
}

/**
 * One text for the contents of all inputs. Contents, not times: a fresh checkout
 * of the same commit and a touched file are the same thing.
 *
 * @param {string} root
 * @param {readonly string[]} inputs files and folders, relative to `root`
 * @param {readonly string[]} [extra] anything else the result depends on
 */
export function fingerprint(root, inputs, extra = []) {
  const hash = createHash('sha256');
  for (const text of extra) hash.update(`${text}\0`);
  for (const input of inputs) {
    for (const file of listFiles(root, input)) {
      hash.update(`${file}\0`);
      hash.update(readFileSync(join(root, file)));
      hash.update('\0');
    }
  }
  return hash.digest('hex');
}
