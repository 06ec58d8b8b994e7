// @ts-check
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { byLine } from './by-line.mjs';
import { runGuest } from './guest.mjs';
import { guestTests } from './guest-tests.mjs';
import { provideKernel } from './kernel-packages.mjs';
import { quote } from './shell-words.mjs';

/** Their kernels: one that has netfilter links, and one that has not. */
export const PAIR = /** @type {const} */ (['6.12', '6.1']);
export const SELVES = /** @type {const} */ (['first', 'second']);

/** In the guest: a folder of both, and the card that leads to the other, which is eth0. */
const FOLDER = '/run/pair';
const PREPARE =
  `mkdir ${FOLDER} && mount -t 9p -o trans=virtio,version=9p2000.L,cache=none pair ${FOLDER} && ` +
  'modprobe virtio_net';

/**
 * @typedef {object} PairOptions
 * @property {string} share folder of the host; `first` and `second` in it are the guests'
 * @property {readonly string[]} tests more of vitest's arguments. Both run the same at the same
 *   time; HOPSCOPE_PEER_SELF shows a test whether it is first or second, and
 *   HOPSCOPE_PEER_FOLDER is a folder that both can write to
 * @property {number} cpus of each guest
 * @property {number} [limitSeconds]
 * @property {(self: 'first' | 'second', line: string) => void} onLine
 */

/**
 * Boots two guests on one Ethernet segment, which has nobody else on it, and runs the
 * project `two-kernels` in both. When one of them fails, the other is ended.
 *
 * @param {PairOptions} options
 * @returns {Promise<number[]>} what runGuest says of each
 * @throws {SetupError} as runGuest, provideKernel and guestTests
 */
export async function runPair({ share, tests, cpus, limitSeconds, onLine }) {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-pair-'));
  const both = join(folder, 'both');
  mkdirSync(both);
  const sockets = SELVES.map((self) => join(folder, self));
  const failed = new AbortController();
  /** @param {number} index */
  const run = async (index) => {
    const self = index === 0 ? 'first' : 'second';
    const kernel = await provideKernel(PAIR[index] ?? PAIR[0], (line) => onLine(self, line));
    const own = join(share, self);
    mkdirSync(own, { recursive: true });
    const command = await guestTests(['--project', 'two-kernels', ...tests], own);
    const output = byLine((line) => onLine(self, line));
    onLine(self, `Linux ${kernel.release}`);
    const status = await runGuest({
      kernel,
      share: own,
      name: self,
      command: `${PREPARE} && cd ${quote(ROOT)} && ${command}`,
      environment: { HOPSCOPE_PEER_SELF: self, HOPSCOPE_PEER_FOLDER: FOLDER },
      cpus,
      ...(limitSeconds === undefined ? {} : { limitSeconds }),
      devices: [
        ...['-virtfs', `local,path=${both},mount_tag=pair,security_model=none,multidevs=remap`],
        ...[
          '-netdev',
          `dgram,id=segment,local.type=unix,local.path=${sockets[index]},` +
            `remote.type=unix,remote.path=${sockets[1 - index]}`,
        ],
        ...['-device', `virtio-net-pci,netdev=segment,mac=52:54:00:00:00:0${index + 1}`],
      ],
      onOutput: output.add,
      signal: failed.signal,
    });
    output.end();
    if (status !== 0) failed.abort();
    return status;
  };
  try {
    return await Promise.all(SELVES.map((_, index) => run(index)));
  } finally {
    failed.abort();
    rmSync(folder, { recursive: true, force: true });
  }
}
