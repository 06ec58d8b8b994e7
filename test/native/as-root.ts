import { describe, test } from 'vitest';

const isRoot = process.getuid?.() === 0;
const waived = process.env['HOPSCOPE_UNPRIVILEGED'] === '1';

/**
 * A suite that loads programs into the kernel. Without root it fails, unless
 * HOPSCOPE_UNPRIVILEGED=1 says that this is known: then it is reported as skipped.
 */
export function describeAsRoot(name: string, suite: () => void): void {
  if (isRoot) {
    describe(name, suite);
  } else if (waived) {
    describe.skipIf(true)(`${name} (needs root; HOPSCOPE_UNPRIVILEGED=1)`, suite);
  } else {
    test(`${name} (needs root)`, () => {
      throw new Error('run these tests as root, or set HOPSCOPE_UNPRIVILEGED=1 to leave them out');
    });
  }
}
