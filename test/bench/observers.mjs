// @ts-check
import { join } from 'node:path';
import { execPath } from 'node:process';
import { ROOT } from '../../src/setup/bootstrap.mjs';
import { isPresent } from '../../src/setup/debian-packages.mjs';
import { inNetns, output } from './processes.mjs';

/**
 * @typedef {import('./observer.mjs').Observer} Observer
 */

export const MAIN = join(ROOT, 'dist', 'cli', 'main.js');
/** Of the daemon that is measured; not the default one, which may run on this machine. */
export const METRICS_PORT = 17677;

/** @type {Observer} */
export const NOBODY = { name: 'nobody', processes: [] };

/**
 * A daemon with `serve` options of its own.
 *
 * @param {string} name
 * @param {readonly string[]} options
 * @returns {Observer}
 */
function hopscope(name, options = []) {
  return {
    name,
    daemon: true,
    processes: [
      {
        command: [execPath, MAIN, 'serve', '--port', String(METRICS_PORT), ...options],
        ready: /^ready$/,
      },
    ],
  };
}

export const SERVE = hopscope('hopscope');
const SERVE_ALL = hopscope('hopscope --sample all', ['--sample', 'all']);

/**
 * Counts at two tracepoints by device. The kernel's list of tracepoints is mounted for
 * bpftrace alone, and its mount goes with it.
 *
 * @type {Observer}
 */
const BPFTRACE = {
  name: 'bpftrace',
  processes: [
    {
      command: [
        'unshare',
        ...['--mount', '--propagation', 'private'],
        ...['sh', '-c', 'mount -t tracefs tracefs /sys/kernel/tracing; exec bpftrace -e "$1"'],
        'bpftrace',
        'tracepoint:net:net_dev_queue { @queue[str(args->name)] = count(); } ' +
          'tracepoint:net:netif_receive_skb { @receive[str(args->name)] = count(); } ' +
          'interval:ms:100 /!@told/ { printf("watching\\n"); @told = 1; }',
      ],
      ready: /^watching$/,
    },
  ],
};

/**
 * @param {readonly (readonly [string, string])[]} devices of the load's way, [namespace, device]
 * @returns {Observer}
 */
function tcpdump(devices) {
  return {
    name: 'tcpdump',
    processes: devices.map(([netns, device]) => ({
      command: inNetns(
        netns,
        ['tcpdump', '-n', '-i', device].concat(['-s', '128', '-w', '/dev/null']),
      ),
      ready: /listening on/,
    })),
    counts: (words) => tcpdumpCounts(words.flatMap(({ error }) => error)),
  };
}

/**
 * What several tcpdumps say at their end: how many packets they were to have, and how many
 * the kernel had no room for.
 *
 * @param {readonly string[]} lines
 * @returns {import('./metrics.mjs').Counted}
 */
export function tcpdumpCounts(lines) {
  const sum = (/** @type {RegExp} */ what) =>
    lines.reduce((total, line) => total + Number(what.exec(line)?.[1] ?? 0), 0);
  return {
    events: sum(/^(\d+) packets? received by filter/),
    lost: sum(/^(\d+) packets? dropped by kernel/),
    lostByCause: {},
    records: null,
    recordBytes: null,
  };
}

/**
 * Who watches, and why somebody does not.
 *
 * @param {readonly (readonly [string, string])[]} devices
 * @returns {Promise<{ observers: readonly Observer[], notes: readonly string[] }>}
 */
export async function observersOf(devices) {
  const help = await output([execPath, MAIN, 'serve', '--help']);
  const hasSample = help.includes('--sample');
  const hasBpftrace = isPresent('bpftrace');
  return {
    observers: [
      NOBODY,
      SERVE,
      ...(hasSample ? [SERVE_ALL] : []),
      tcpdump(devices),
      ...(hasBpftrace ? [BPFTRACE] : []),
    ],
    notes: [
      ...(hasSample ? [] : ['`hopscope serve` has no `--sample`: that row is left out']),
      ...(hasBpftrace ? [] : ['bpftrace is missing (Debian package bpftrace): no row of it']),
    ],
  };
}
