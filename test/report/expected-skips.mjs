// @ts-check
import { readFileSync } from 'node:fs';

/**
 * Which tests may be skipped, by suite and by kernel (`6.12`): those whose kernel lacks what they
 * need. In `expected-skips.json`; a name that ends in `*` is the beginning of names.
 *
 * @typedef {Record<string, Record<string, string[]>>} ExpectedSkips
 */
const FILE = new URL('expected-skips.json', import.meta.url);

/** @returns {ExpectedSkips} */
export function expectedSkips() {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}

/** @param {string} release such as `6.12.48+deb13-amd64` */
export function kernelVersion(release) {
  return release.split('.', 2).join('.');
}

/**
 * @param {ExpectedSkips} expected
 * @param {string} suite
 * @param {string} kernel such as `6.12`
 * @param {readonly string[]} skipped names of tests
 * @returns {string[] | null} those of them that are not expected there; null where nothing is
 *   pinned for this suite on this kernel
 */
export function unexpectedSkips(expected, suite, kernel, skipped) {
  const names = expected[suite]?.[kernel];
  if (names === undefined) return null;
  return skipped.filter((name) => !names.some((one) => covers(one, name)));
}

/** @param {string} one @param {string} name */
function covers(one, name) {
  return one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one;
}
