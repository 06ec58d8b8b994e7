// @ts-check
import { setTimeout as delay } from 'node:timers/promises';
import { parseMetrics } from './metrics.mjs';
import { METRICS_PORT } from './observers.mjs';

const ADDRESS = `http://127.0.0.1:${METRICS_PORT}`;
/** As many as the daemon gives at once. */
const FLOWS = 10_000;
const SETTLE_STEP_MS = 300;
const SETTLE_LIMIT_MS = 6_000;
const ANSWER_LIMIT_MS = 30_000;

/**
 * @typedef {import('./loads.mjs').Sent} Sent
 * @typedef {import('hopscope-protocol').FlowRecord} FlowRecord
 *
 * @typedef {object} Exactness what the daemon says of what a sender's kernel says has left
 * @property {boolean} exact packets and bytes are the same
 * @property {number} flows
 * @property {number} packets counted less sent
 * @property {number} bytes counted less sent
 * @property {number} paths traced whole
 */

/** @param {string} path */
async function ask(path) {
  const answer = await fetch(`${ADDRESS}${path}`, { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
  return answer;
}

/** The daemon's counters. */
export async function metricsPage() {
  return parseMetrics(await (await ask('/metrics')).text());
}

/** @param {string} id @returns {Promise<{ paths: readonly import('hopscope-protocol').PathRecord[] }>} */
export async function flowDetail(id) {
  return /** @type {any} */ (await (await ask(`/api/flows/${encodeURIComponent(id)}`)).json());
}

/**
 * Flows of the load, once the daemon has heard all of it: when nothing changes any more.
 *
 * @param {{ source: string, address: string }} way
 * @param {number} port where the load went
 * @returns {Promise<readonly FlowRecord[]>}
 */
export async function settledFlows(way, port) {
  const deadline = performance.now() + SETTLE_LIMIT_MS;
  /** @type {readonly FlowRecord[]} */
  let flows = [];
  for (let before = -1; ; ) {
    const answer = await (await ask(`/api/flows?limit=${FLOWS}`)).json();
    flows = flowsOf(/** @type {{ flows: FlowRecord[] }} */ (answer).flows, way, port);
    const packets = sums(flows).packets;
    if (packets === before || performance.now() > deadline) return flows;
    before = packets;
    await delay(SETTLE_STEP_MS);
  }
}

/**
 * Those of a load; what else a machine sends is not.
 *
 * @param {readonly FlowRecord[]} flows
 * @param {{ source: string, address: string }} way
 * @param {number} port
 */
export function flowsOf(flows, way, port) {
  return flows.filter(
    ({ original }) =>
      original.proto === 'udp' &&
      original.src === way.source &&
      original.dst === way.address &&
      original.dport === port,
  );
}

/** @param {readonly FlowRecord[]} flows */
function sums(flows) {
  const total = { packets: 0, bytes: 0, paths: 0 };
  for (const flow of flows) {
    total.packets += Number(flow.packets.original);
    total.bytes += Number(flow.bytes.original);
    total.paths += Number(flow.sampled.paths);
  }
  return total;
}

/**
 * @param {readonly FlowRecord[]} flows of the load
 * @param {Sent} sent
 * @returns {Exactness}
 */
export function exactness(flows, sent) {
  const counted = sums(flows);
  return {
    exact: counted.packets === sent.packets && counted.bytes === sent.bytes,
    flows: flows.length,
    packets: counted.packets - sent.packets,
    bytes: counted.bytes - sent.bytes,
    paths: counted.paths,
  };
}
