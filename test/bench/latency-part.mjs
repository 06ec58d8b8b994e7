// @ts-check
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { FIRST_PORT, PAYLOAD_BYTES, send, startSink } from './loads.mjs';
import { startObserver } from './observer.mjs';
import { METRICS_PORT, SERVE } from './observers.mjs';
import { percentile } from './statistics.mjs';

/** Away from the ports of the background and from those the kernel chooses. */
const PROBE_PORT = 30_000;
const PROBE_INTERVAL_MS = 50;
/** What is not there after this time counts as never. */
const WAIT_MS = 6_000;
/** Time for the background to reach its pace before the first probe. */
const LEAD_MS = 500;

/**
 * @typedef {object} LatencyRow
 * @property {number} wanted packets a second of the background
 * @property {number} reached packets a second that arrived of it
 * @property {number} samples
 * @property {number} missed that no message brought
 * @property {number | null} p50Ms null when missed
 * @property {number | null} p99Ms
 * @property {number | null} mostMs
 */

/**
 * From a packet of a new flow to the message that brings its row to a client of the daemon,
 * while others send at `rate`.
 *
 * @param {{ way: import('./cluster.mjs').Way, rate: number, samples: number }} plan
 * @returns {Promise<LatencyRow>}
 */
export async function benchLatency({ way, rate, samples }) {
  const { stop } = await startObserver(SERVE);
  try {
    const sink = await startSink(way);
    try {
      const seconds = Math.ceil((LEAD_MS + samples * PROBE_INTERVAL_MS) / 1000);
      const client = await listen(samples);
      const background = send(way, 'udp', [1, seconds, rate, PAYLOAD_BYTES, FIRST_PORT], seconds);
      await delay(LEAD_MS);
      const probes = await send(way, 'probe', [samples, PROBE_INTERVAL_MS, PROBE_PORT], seconds);
      const { sent, seconds: took } = JSON.parse(await background);
      const arrived = await client.end(samples);
      return { wanted: rate, reached: sent / took, ...latencies(parseProbes(probes), arrived) };
    } finally {
      await sink.stop();
    }
  } finally {
    await stop();
  }
}

/**
 * When each port's row came first, by the clock that the probes are stamped with.
 *
 * @param {number} samples
 */
async function listen(samples) {
  /** @type {Map<number, bigint>} */
  const arrived = new Map();
  const socket = new WebSocket(`ws://127.0.0.1:${METRICS_PORT}/ws`);
  socket.on('message', (data) => {
    const now = process.hrtime.bigint();
    /** @type {{ type: string, rows?: readonly import('hopscope-protocol').FlowRow[] }} */
    const message = JSON.parse(data.toString());
    for (const { proto, src } of message.rows ?? []) {
      const port = src.port ?? -1;
      if (proto !== 'udp' || port < PROBE_PORT || port >= PROBE_PORT + samples) continue;
      if (!arrived.has(port)) arrived.set(port, now);
    }
  });
  await once(socket, 'open');
  return {
    /** @param {number} wanted */
    async end(wanted) {
      const deadline = performance.now() + WAIT_MS;
      while (arrived.size < wanted && performance.now() < deadline) await delay(50);
      socket.terminate();
      return arrived;
    },
  };
}

/**
 * @param {string} text lines `port nanoseconds`
 * @returns {ReadonlyMap<number, bigint>}
 */
export function parseProbes(text) {
  const lines = text.split('\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const [port, time = ''] = line.split(' ');
      return [Number(port), BigInt(time)];
    }),
  );
}

/**
 * A probe that never came is slower than all that did.
 *
 * @param {ReadonlyMap<number, bigint>} sent
 * @param {ReadonlyMap<number, bigint>} arrived
 */
export function latencies(sent, arrived) {
  const each = [...sent].map(([port, time]) => {
    const at = arrived.get(port);
    return at === undefined ? Number.POSITIVE_INFINITY : Number(at - time) / 1e6;
  });
  const known = (/** @type {number} */ share) => {
    const value = each.length === 0 ? Number.POSITIVE_INFINITY : percentile(each, share);
    return Number.isFinite(value) ? value : null;
  };
  return {
    samples: each.length,
    missed: each.filter((ms) => !Number.isFinite(ms)).length,
    p50Ms: known(0.5),
    p99Ms: known(0.99),
    mostMs: known(1),
  };
}
