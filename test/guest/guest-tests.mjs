// @ts-check
import { join } from 'node:path';

/**
 * Makes tests ready for a guest.
 *
 * @param {readonly string[]} words vitest's arguments
 * @param {string} share the folder that the guest has as /run/guest
 * @returns {Promise<string>} the guest's command; it leaves report.json in `share`
 * @throws {import('../../src/setup/setup-error.mjs').SetupError} `GUEST_TESTS`
 */
export async function guestTests(words, share) {
  // Not at the top: it needs npm packages, and who asks for tests may first install them.
  const { bundleTests, RUNNER_BUNDLE } = await import('./bundle-tests.mjs');
  await bundleTests(words, join(share, 'tests'));
  return (
    'HOPSCOPE_LAB_LOCKED=1 HOPSCOPE_EMULATED=1 ' +
    `exec node /run/guest/tests/${RUNNER_BUNDLE} /run/guest/tests /run/guest/report.json`
  );
}
