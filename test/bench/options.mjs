// @ts-check
import { parseArgs } from 'node:util';
import { DEFAULT_LOADS, LOADS } from './loads.mjs';

/** What a run measures, in this order. */
export const PARTS = /** @type {const} */ ([
  'startup',
  'load',
  'kernel',
  'joining',
  'latency',
  'memory',
]);
export const ENCAPS = /** @type {const} */ (['vxlan', 'ipip', 'none']);

export const HELP = `Usage: npm run bench -- [options]

What watching costs, on the lab. Everything is measured in one run, in rounds in which all
take turns, and given as medians: a table in markdown on standard output, and every single
round in test-results/bench.json. Takes the lab's lock (/tmp/hopscope-lab.lock), builds the
lab, and removes it whatever happens. Nothing else should run meanwhile.

Parts, all of them unless --only names some (--only load,kernel):
  startup   from the start of \`hopscope serve\` to its line ready: the median of 7
  load      how much of a load goes through while somebody watches, as a ratio to nobody:
            hopscope as it is by default, with --sample all, tcpdump on the devices of the
            way (-s 128 -w /dev/null), bpftrace counting two tracepoints by device. Of
            hopscope also what it has seen and lost, by cause, its CPU time for a million
            packets, whole paths a second, and whether a flow's packets and bytes are
            exactly those that the sender's kernel counts
  kernel    time in each BPF program for a packet and for a hop (kernel.bpf_stats_enabled
            is set for one round and put back), records and bytes of a packet
  joining   hops a second that one core joins, from recordings held in memory
  latency   from the first packet of a new flow to the WebSocket message that shows it, with
            10,000 and 100,000 other packets a second
  memory    resident memory, heap and delay of the event loop with 1,000, 100,000 and
            1,000,000 flows, all only counted, and all traced

Loads, named KIND-WAY-FLOWS; across is from node to node, same within one:
${LOADS.map(({ id }) => `  ${id}${DEFAULT_LOADS.includes(id) ? ' *' : ''}`).join('\n')}
  Those with * are measured unless --loads names others or --full asks for all.

  --quick          2 rounds of 1 second, and less of everything else: does it run?
  --full           every load, some 15 minutes more
  --guest          afterwards load and kernel once more with IPIP, on an emulated kernel
                   6.12 of Debian's, in fewer rounds
  --rounds N       rounds of each load (default: 7)
  --seconds N      of one measurement (default: 3)
  --only PART,…
  --loads LOAD,…
  --encap ENCAP    ${ENCAPS.join(', ')} (default: vxlan)
  --json-line      the result once more as the last line, for a bench around this one
  -h, --help       this text

Packages that only this needs (bpftrace) are installed before, on Debian as root; where
one is missing all the same, its row is left out and said to be.
`;

/**
 * @typedef {(typeof PARTS)[number]} Part
 *
 * @typedef {object} BenchOptions
 * @property {boolean} quick
 * @property {boolean} guest
 * @property {boolean} jsonLine
 * @property {number} rounds
 * @property {number} seconds
 * @property {readonly Part[]} parts
 * @property {readonly import('./loads.mjs').Load[]} loads
 * @property {(typeof ENCAPS)[number]} encap
 */

/** Words on the command line that mean nothing. */
export class BenchUsageError extends Error {}

/**
 * @param {readonly string[]} words
 * @returns {BenchOptions | 'help'}
 * @throws {BenchUsageError}
 */
export function parseOptions(words) {
  const values = parsed(words);
  if (values.help) return 'help';
  const quick = values.quick ?? false;
  const named = values.loads?.split(',') ?? (values.full ? LOADS.map(({ id }) => id) : null);
  return {
    quick,
    guest: values.guest ?? false,
    jsonLine: values['json-line'] ?? false,
    rounds: count('--rounds', values.rounds, quick ? 2 : 7),
    seconds: count('--seconds', values.seconds, quick ? 1 : 3),
    parts: values.only === undefined ? PARTS : listed('--only', values.only.split(','), PARTS),
    loads: (named ?? DEFAULT_LOADS).map((id) => {
      const load = LOADS.find((each) => each.id === id);
      if (load === undefined) throw new BenchUsageError(`no such load: ${id}`);
      return load;
    }),
    encap: listed('--encap', [values.encap ?? 'vxlan'], ENCAPS)[0] ?? 'vxlan',
  };
}

/** @param {readonly string[]} words */
function parsed(words) {
  try {
    return parseArgs({
      args: [...words],
      options: {
        quick: { type: 'boolean' },
        full: { type: 'boolean' },
        guest: { type: 'boolean' },
        'json-line': { type: 'boolean' },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        only: { type: 'string' },
        loads: { type: 'string' },
        encap: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}

/**
 * @param {string} option
 * @param {string | undefined} text
 * @param {number} otherwise
 */
function count(option, text, otherwise) {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1000) {
    throw new BenchUsageError(`${option} is a whole number from 1 to 1000; not ${text}`);
  }
  return value;
}

/**
 * @template {string} T
 * @param {string} option
 * @param {readonly string[]} words
 * @param {readonly T[]} known
 * @returns {readonly T[]}
 */
function listed(option, words, known) {
  return words.map((word) => {
    const found = known.find((each) => each === word);
    if (found === undefined) {
      throw new BenchUsageError(`${option} knows ${known.join(', ')}; not ${word}`);
    }
    return found;
  });
}
