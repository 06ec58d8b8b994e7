// @ts-check

/**
 * A word as a POSIX shell takes it, whatever is in it.
 *
 * @param {string} word
 */
export function quote(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
