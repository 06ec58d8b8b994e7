// @ts-check
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { onEnd } from './cleanup.mjs';
import { MAIN } from './observers.mjs';

/**
 * The compiled stages, as production runs them; the checks know them by their sources.
 *
 * @param {string} path below dist/
 */
export const compiled = (path) => import(join(ROOT, 'dist', path));
/** @type {typeof import('../../src/lab/topology.js')} */
const { LAN_DEVICE, podNamed } = await compiled('lab/topology.js');
/** @type {typeof import('../../src/lab/tunnels.js')} */
const { tunnelsOf } = await compiled('lab/tunnels.js');

/**
 * @typedef {import('../../src/lab/options.js').Encap} Encap
 *
 * @typedef {object} Way where a load goes
 * @property {string} name
 * @property {string} from namespace of the sender
 * @property {string} to namespace of the receiver
 * @property {string} source address
 * @property {string} address the receiver's
 * @property {readonly (readonly [string, string])[]} devices on the way, [namespace, device]
 */

/** @param {Encap} encap @returns {{ same: Way, across: Way }} */
export function waysOf(encap) {
  const [from, near, far] = [podNamed('pod1'), podNamed('pod2'), podNamed('pod3')];
  const ends = (/** @type {typeof from} */ to) => ({
    from: from.name,
    to: to.name,
    source: from.ip,
    address: to.ip,
  });
  const sender = /** @type {const} */ ([
    [from.name, 'eth0'],
    [from.node, from.hostDevice],
  ]);
  const tunnels = tunnelsOf({ encap, dualStack: false }).map(({ device }) => device);
  const node = (/** @type {string} */ name) =>
    [...tunnels, LAN_DEVICE].map((device) => /** @type {const} */ ([name, device]));
  return {
    same: {
      name: 'same node',
      ...ends(near),
      devices: [...sender, [near.node, near.hostDevice], [near.name, 'eth0']],
    },
    across: {
      name: 'across nodes',
      ...ends(far),
      devices: [
        ...sender,
        ...node(from.node),
        ...node(far.node).reverse(),
        [far.node, far.hostDevice],
        [far.name, 'eth0'],
      ],
    },
  };
}

/** @param {readonly string[]} args */
export function lab(args) {
  execFileSync(execPath, [MAIN, 'lab', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/**
 * Builds the lab; what is returned takes it down again, as every end of this process does.
 *
 * @param {Encap} encap
 */
export function labUp(encap) {
  const down = onEnd(() => lab(['down', '--quiet']));
  lab(['up', '--quiet', '--encap', encap]);
  return down;
}
