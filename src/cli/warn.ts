import { printable } from '../export/printable.js';

/** One line on standard error; names in it may be anybody's. */
export function warn(message: string): void {
  process.stderr.write(`hopscope: ${printable(message)}\n`);
}
