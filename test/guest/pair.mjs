// @ts-check
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runGuest } from './guest.mjs';

/**
 * @typedef {object} PairOptions
 * @property {readonly [import('./kernel-packages.mjs').Kernel, import('./kernel-packages.mjs').Kernel]} kernels
 * @property {readonly [string, string]} shares folders of the host, see GuestOptions
 * @property {string} command what each runs; HOPSCOPE_PEER_SELF tells it which it is, and
 *   HOPSCOPE_PEER_FOLDER is a folder that both can write to
 * @property {number} cpus of each guest
 * @property {number} [limitSeconds]
 * @property {(self: 'first' | 'second', text: string) => void} [onOutput]
 */

/** The device's name in both guests is eth0. */
const SELVES = /** @type {const} */ (['first', 'second']);
const FOLDER = '/run/pair';

/**
 * Boots two guests joined by an Ethernet segment, which has nobody else on it; when one
 * of them fails the other is ended.
 *
 * @param {PairOptions} options
 * @returns {Promise<[number, number]>} what runGuest says of each
 * @throws {SetupError} as runGuest
 */
export async function runPair({ kernels, shares, command, cpus, limitSeconds, onOutput }) {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-pair-'));
  const both = join(folder, 'both');
  mkdirSync(both);
  const socket = join(folder, 'segment');
  const failed = new AbortController();
  try {
    const [first, second] = await Promise.all(
      SELVES.map(async (self, index) => {
        const end = index === 0 ? 'server=on' : 'server=off,reconnect=1';
        const status = await runGuest({
          kernel: /** @type {import('./kernel-packages.mjs').Kernel} */ (kernels[index]),
          share: /** @type {string} */ (shares[index]),
          name: self,
          command:
            `mkdir ${FOLDER} && mount -t 9p -o trans=virtio,version=9p2000.L,cache=none pair ${FOLDER} && ` +
            `modprobe virtio_net && ${command}`,
          environment: { HOPSCOPE_PEER_SELF: self, HOPSCOPE_PEER_FOLDER: FOLDER },
          cpus,
          ...(limitSeconds === undefined ? {} : { limitSeconds }),
          devices: [
            ...['-virtfs', `local,path=${both},mount_tag=pair,security_model=none,multidevs=remap`],
            ...['-netdev', `stream,id=segment,addr.type=unix,addr.path=${socket},${end}`],
            ...['-device', `virtio-net-pci,netdev=segment,mac=52:54:00:00:00:0${index + 1}`],
          ],
          onOutput: (text) => onOutput?.(self, text),
          signal: failed.signal,
        });
        if (status !== 0) failed.abort();
        return status;
      }),
    );
    return [first ?? 1, second ?? 1];
  } finally {
    failed.abort();
    rmSync(folder, { recursive: true, force: true });
  }
}
