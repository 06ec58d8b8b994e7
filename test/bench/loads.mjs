// @ts-check
import { setTimeout as delay } from 'node:timers/promises';
import { loadProgram } from './load-program.mjs';
import { inNetns, output, start } from './processes.mjs';

/** Datagrams as small as iperf3 sends them with its own header: the most packets a byte. */
export const PAYLOAD_BYTES = 64;
/** IPv4 and UDP. */
const HEADER_BYTES = 28;
/** What iperf3 sends before its first datagram, to make itself known. */
const IPERF_HELLO_BYTES = 4;
const IPERF_PORT = 5201;
export const SINK_PORT = 5202;
/** First source port of many; below those that the kernel chooses from. */
export const FIRST_PORT = 20_000;
/** An end that never comes must not hold up the bench. */
const GRACE_MS = 60_000;
const READY_LIMIT_MS = 30_000;

/**
 * @typedef {import('./cluster.mjs').Way} Way
 * @typedef {'udp' | 'stream' | 'rr'} LoadKind
 *
 * @typedef {object} Load
 * @property {string} id as `--loads` names it
 * @property {LoadKind} kind
 * @property {'same' | 'across'} way
 * @property {number} flows
 *
 * @typedef {object} Loaded what went through
 * @property {number} rate in the unit of its kind, as it arrived
 * @property {number | null} p50Ns of an answer
 * @property {number | null} p99Ns
 * @property {Sent | null} sent of UDP: what the sender's kernel says has left
 *
 * @typedef {object} Sent
 * @property {number} port where to
 * @property {number} packets
 * @property {number} bytes of the IP packets
 */

/** @type {Readonly<Record<LoadKind, string>>} */
export const UNITS = { udp: 'packets/s', stream: 'Mbit/s', rr: 'answers/s' };
/** @type {Readonly<Record<LoadKind, string>>} */
export const KIND_NAMES = {
  udp: 'UDP 64 B',
  stream: 'TCP stream',
  rr: 'TCP request and response',
};

/** Every load: kind, way and number of flows. @type {readonly Load[]} */
export const LOADS = /** @type {const} */ (['udp', 'stream', 'rr']).flatMap((kind) =>
  /** @type {const} */ (['across', 'same']).flatMap((way) =>
    [1, 1000].map((flows) => ({ id: `${kind}-${way}-${flows}`, kind, way, flows })),
  ),
);

/** What a run takes without --full: some 15 minutes with 7 rounds of 3 s. */
export const DEFAULT_LOADS = [
  ...['udp-across-1', 'udp-across-1000', 'udp-same-1'],
  ...['stream-across-1', 'rr-across-1', 'rr-across-1000'],
];

/**
 * @param {Load} load
 * @param {Way} way
 * @param {number} seconds
 * @returns {Promise<Loaded>}
 */
export async function runLoad(load, way, seconds) {
  if (load.kind === 'udp') {
    return load.flows === 1
      ? iperfDatagrams(way, seconds)
      : manyDatagrams(way, seconds, load.flows);
  }
  if (load.kind === 'rr') return answers(way, seconds, load.flows);
  return load.flows === 1 ? iperfStream(way, seconds) : manyStreams(way, seconds, load.flows);
}

/**
 * @param {Way} way
 * @param {number} seconds
 * @returns {Promise<Loaded>}
 */
async function iperfDatagrams(way, seconds) {
  const before = await datagramsOut(way.from);
  const end = await iperf(way, seconds, ['--udp', '--length', String(PAYLOAD_BYTES)]);
  const { packets, lost_packets: lost, seconds: took } = end.sum;
  const left = (await datagramsOut(way.from)) - before;
  return {
    rate: (packets - lost) / took,
    p50Ns: null,
    p99Ns: null,
    sent: { port: IPERF_PORT, packets: left, bytes: iperfBytes(left, packets) },
  };
}

/**
 * IP bytes of what iperf3 sent: the rest of what left are the words it begins with.
 *
 * @param {number} left datagrams that left the sender
 * @param {number} packets of them those iperf3 counts
 */
export function iperfBytes(left, packets) {
  return (
    packets * (PAYLOAD_BYTES + HEADER_BYTES) + (left - packets) * (IPERF_HELLO_BYTES + HEADER_BYTES)
  );
}

/**
 * @param {Way} way
 * @param {number} seconds
 * @returns {Promise<Loaded>}
 */
async function iperfStream(way, seconds) {
  const end = await iperf(way, seconds, []);
  return { rate: end.sum_received.bits_per_second / 1e6, p50Ns: null, p99Ns: null, sent: null };
}

/**
 * The `end` of iperf3's report.
 *
 * @param {Way} way
 * @param {number} seconds
 * @param {readonly string[]} options
 */
async function iperf(way, seconds, options) {
  const server = await start(
    // Its standard output is a pipe, which it writes to only when it ends.
    inNetns(way.to, ['iperf3', '--server', '--one-off', '--forceflush', '--port', `${IPERF_PORT}`]),
    { ready: /listening/, limitMs: READY_LIMIT_MS, endBy: 'SIGTERM' },
  );
  try {
    const text = await output(
      inNetns(
        way.from,
        ['iperf3', '--client', way.address, '--port', String(IPERF_PORT)].concat(
          ['--bitrate', '0', '--time', String(seconds), '--json'],
          options,
        ),
      ),
      { timeoutMs: seconds * 1000 + GRACE_MS },
    );
    return JSON.parse(text).end;
  } finally {
    await server.stop();
  }
}

/**
 * Runs load.c at both ends.
 *
 * @param {Way} way
 * @param {string} mode
 * @param {readonly (string | number)[]} args after address and port
 * @param {number} seconds
 */
async function sinkAndSender(way, mode, args, seconds) {
  const sink = await startSink(way);
  try {
    const sender = JSON.parse(await send(way, mode, args, seconds));
    // What is still on its way arrives.
    await delay(50);
    const { output: lines } = await sink.stop();
    return { sender, sink: JSON.parse(lines.at(-1) ?? 'null') };
  } finally {
    await sink.stop();
  }
}

/**
 * What takes every load of load.c.
 *
 * @param {Way} way
 */
export function startSink(way) {
  return start(inNetns(way.to, [loadProgram(), 'sink', String(SINK_PORT)]), {
    ready: /^ready$/,
    limitMs: READY_LIMIT_MS,
    endBy: 'end of input',
  });
}

/**
 * A sender of load.c to its end; what it has written.
 *
 * @param {Way} way
 * @param {string} mode
 * @param {readonly (string | number)[]} args after address and port
 * @param {number} seconds
 */
export function send(way, mode, args, seconds) {
  const words = [mode, way.address, String(SINK_PORT), ...args.map(String)];
  return output(inNetns(way.from, [loadProgram(), ...words]), {
    timeoutMs: seconds * 1000 + GRACE_MS,
  });
}

/**
 * @param {Way} way
 * @param {number} seconds
 * @param {number} flows
 * @returns {Promise<Loaded>}
 */
async function manyDatagrams(way, seconds, flows) {
  const args = [flows, seconds, 0, PAYLOAD_BYTES, FIRST_PORT];
  const { sender, sink } = await sinkAndSender(way, 'udp', args, seconds);
  return {
    rate: sink.udpPackets / sender.seconds,
    p50Ns: null,
    p99Ns: null,
    sent: {
      port: SINK_PORT,
      packets: sender.sent,
      bytes: sender.sent * (PAYLOAD_BYTES + HEADER_BYTES),
    },
  };
}

/**
 * @param {Way} way
 * @param {number} seconds
 * @param {number} flows
 * @returns {Promise<Loaded>}
 */
async function manyStreams(way, seconds, flows) {
  const { sender, sink } = await sinkAndSender(way, 'stream', [flows, seconds], seconds);
  const rate = (sink.streamBytes * 8) / 1e6 / sender.seconds;
  return { rate, p50Ns: null, p99Ns: null, sent: null };
}

/**
 * @param {Way} way
 * @param {number} seconds
 * @param {number} flows
 * @returns {Promise<Loaded>}
 */
async function answers(way, seconds, flows) {
  const { sender } = await sinkAndSender(way, 'rr', [flows, seconds], seconds);
  const { transactions, seconds: took, p50Ns, p99Ns } = sender;
  return { rate: transactions / took, p50Ns, p99Ns, sent: null };
}

/**
 * UDP datagrams that have left a namespace, as its kernel counts them.
 *
 * @param {string} netns
 */
async function datagramsOut(netns) {
  return snmpValue(await output(inNetns(netns, ['cat', '/proc/net/snmp'])), 'Udp', 'OutDatagrams');
}

/**
 * A counter of /proc/net/snmp: a line of names, then one of values, each with its group.
 *
 * @param {string} text
 * @param {string} group
 * @param {string} name
 */
export function snmpValue(text, group, name) {
  const [names, values] = text
    .split('\n')
    .filter((line) => line.startsWith(`${group}: `))
    .map((line) => line.split(' '));
  const at = names?.indexOf(name) ?? -1;
  const value = at < 0 ? Number.NaN : Number(values?.[at]);
  if (Number.isNaN(value)) throw new Error(`no ${group} ${name} in /proc/net/snmp`);
  return value;
}
