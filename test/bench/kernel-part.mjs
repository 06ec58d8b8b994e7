// @ts-check
import { readFileSync, writeFileSync } from 'node:fs';
import { onEnd } from './cleanup.mjs';
import { withDescendants } from './daemon-cost.mjs';
import { flowDetail, metricsPage, settledFlows } from './daemon-page.mjs';
import { runLoad } from './loads.mjs';
import { counted } from './metrics.mjs';
import { startObserver } from './observer.mjs';
import { output } from './processes.mjs';

/** Makes the kernel measure each run of a program; costs some 20 ns a run itself. */
const STATISTICS = '/proc/sys/kernel/bpf_stats_enabled';

/**
 * @typedef {object} Program what bpftool says of one
 * @property {number} id
 * @property {string} name
 * @property {string} type
 * @property {number} runs
 * @property {number} ns
 * @property {readonly number[] | null} holders processes that hold it; null where bpftool
 *   does not know
 *
 * @typedef {object} ProgramRow programs of one name together
 * @property {string} program
 * @property {number} runs
 * @property {number} nsARun
 * @property {number} nsAPacket
 * @property {number | null} nsAHop
 *
 * @typedef {object} KernelResult
 * @property {string} observer
 * @property {number} packets that left the sender
 * @property {number | null} hops of a packet, of the fullest of the newest whole paths
 * @property {number | null} recordsAPacket
 * @property {number | null} bytesAPacket
 * @property {number | null} eventsAPacket
 * @property {number} nsAPacket all programs together
 * @property {number | null} nsAHop
 * @property {readonly ProgramRow[]} programs
 */

/**
 * BPF time by program while small datagrams go from pod to pod.
 *
 * @param {import('./observer.mjs').Observer} observer a daemon
 * @param {{ load: import('./loads.mjs').Load, way: import('./cluster.mjs').Way, seconds: number }} plan
 * @returns {Promise<KernelResult>}
 */
export async function benchKernel(observer, { load, way, seconds }) {
  const others = new Set((await programs()).map(({ id }) => id));
  const { pids, stop } = await startObserver(observer);
  try {
    const pageBefore = await metricsPage();
    const restore = enableStatistics();
    let before;
    let after;
    let loaded;
    try {
      before = await programs();
      loaded = await runLoad(load, way, seconds);
      after = await programs();
    } finally {
      restore();
    }
    const counts = counted(pageBefore, await metricsPage());
    const packets = loaded.sent?.packets ?? 0;
    const flows = loaded.sent === null ? [] : await settledFlows(way, loaded.sent.port);
    // Others on this machine may have loaded some meanwhile.
    const family = await withDescendants(pids);
    const own = after.filter(
      ({ id, holders }) =>
        !others.has(id) && (holders?.some((pid) => family.includes(pid)) ?? true),
    );
    const hops = await hopsAPacket(flows);
    const rows = programRows(before, own, packets, hops);
    const nsAPacket = rows.reduce((sum, row) => sum + row.nsAPacket, 0);
    const share = (/** @type {number | null} */ value) =>
      value === null || packets === 0 ? null : value / packets;
    return {
      observer: observer.name,
      packets,
      hops,
      recordsAPacket: share(counts.records),
      bytesAPacket: share(counts.recordBytes),
      eventsAPacket: share(counts.events),
      nsAPacket,
      nsAHop: hops === null ? null : nsAPacket / hops,
      programs: rows,
    };
  } finally {
    await stop();
  }
}

/** @returns {() => void} puts back what was there */
function enableStatistics() {
  const before = readFileSync(STATISTICS, 'utf8');
  const restore = onEnd(() => writeFileSync(STATISTICS, before));
  writeFileSync(STATISTICS, '1');
  return restore;
}

/** @returns {Promise<readonly Program[]>} */
async function programs() {
  return parsePrograms(await output(['bpftool', 'prog', 'show', '--json']));
}

/**
 * @param {string} text of `bpftool prog show --json`; a program that has not run while it was
 *   measured has neither time nor count there
 * @returns {readonly Program[]}
 */
export function parsePrograms(text) {
  return JSON.parse(text).map((/** @type {Record<string, any>} */ program) => ({
    id: program['id'],
    name: program['name'] ?? `${program['id']}`,
    // Older ones than the type have its number (enum bpf_prog_type).
    type: String(program['type']).replace(/^32$/, 'netfilter'),
    runs: program['run_cnt'] ?? 0,
    ns: program['run_time_ns'] ?? 0,
    holders: program['pids']?.map((/** @type {{ pid: number }} */ { pid }) => pid) ?? null,
  }));
}

/**
 * Programs by name, those that take most first; those that did not run are left out.
 *
 * @param {readonly Program[]} before
 * @param {readonly Program[]} after
 * @param {number} packets
 * @param {number | null} hops of a packet
 * @returns {readonly ProgramRow[]}
 */
export function programRows(before, after, packets, hops) {
  const was = new Map(before.map((program) => [program.id, program]));
  /** @type {Map<string, { runs: number, ns: number }>} */
  const sums = new Map();
  for (const { id, name, type, runs, ns } of after) {
    const key = `${name} (${type})`;
    const sum = sums.get(key) ?? { runs: 0, ns: 0 };
    sum.runs += runs - (was.get(id)?.runs ?? 0);
    sum.ns += ns - (was.get(id)?.ns ?? 0);
    sums.set(key, sum);
  }
  return [...sums]
    .filter(([, { runs }]) => runs > 0)
    .sort(([, a], [, b]) => b.ns - a.ns)
    .map(([program, { runs, ns }]) => ({
      program,
      runs,
      nsARun: ns / runs,
      nsAPacket: ns / packets,
      nsAHop: hops === null ? null : ns / packets / hops,
    }));
}

/**
 * Hops of a packet of the load that was traced whole, null when none was. Of several the
 * most: where events were lost, a path may lack some without a word of it.
 *
 * @param {readonly import('hopscope-protocol').FlowRecord[]} flows
 */
async function hopsAPacket(flows) {
  const [flow] = flows;
  if (flow === undefined) return null;
  const { paths } = await flowDetail(flow.id);
  const whole = paths.filter(({ complete, hops }) => complete && hops.length > 0);
  return whole.length === 0 ? null : Math.max(...whole.map(({ hops }) => hops.length));
}
