// @ts-check
import { readFile } from 'node:fs/promises';
import { familyCpuSeconds } from './daemon-cost.mjs';
import { exactness, metricsPage, settledFlows } from './daemon-page.mjs';
import { runLoad, UNITS } from './loads.mjs';
import { counted } from './metrics.mjs';
import { startObserver } from './observer.mjs';
import { NOBODY, observersOf } from './observers.mjs';
import { output } from './processes.mjs';
import { median, medianOrNull, ratioOfMedians, rotated } from './statistics.mjs';

/**
 * @typedef {import('./loads.mjs').Load} Load
 * @typedef {import('./cluster.mjs').Way} Way
 * @typedef {import('./observer.mjs').Observer} Observer
 *
 * @typedef {object} Round one measurement of one observer
 * @property {number} rate
 * @property {number | null} p50Ns
 * @property {number | null} p99Ns
 * @property {number} cores CPU of the observer's processes a second
 * @property {number | null} cpuPerMillion CPU seconds a million packets of the sending pod
 * @property {number} readyMs
 * @property {number} stopMs
 * @property {number} kernelDrops packets that the CPUs' backlogs had no room for
 * @property {import('./metrics.mjs').Counted | null} counted
 * @property {import('./daemon-page.mjs').Exactness | null} exactness
 * @property {number | null} pathsPerSecond
 *
 * @typedef {object} LoadRow
 * @property {string} observer
 * @property {string} unit
 * @property {number} rate the median
 * @property {number} ratio of the medians, to nobody watching
 * @property {number} least
 * @property {number} most
 * @property {number | null} p50Ns
 * @property {number | null} p99Ns
 * @property {number} cores
 * @property {number | null} cpuPerMillion
 * @property {number | null} pathsPerSecond
 * @property {number | null} events of all rounds
 * @property {number | null} lost of all rounds
 * @property {Readonly<Record<string, number>>} lostByCause of all rounds
 * @property {{ rounds: number, of: number, worst: number } | null} exact rounds counted to the
 *   last packet and byte, and the difference in packets that is farthest from 0
 * @property {readonly Round[]} rounds
 *
 * @typedef {object} LoadResult
 * @property {Load} load
 * @property {string} way
 * @property {readonly LoadRow[]} rows
 */

/**
 * Each load with each observer, round by round. All take turns within one round, so that
 * what else the machine does meets them alike.
 *
 * @param {{ loads: readonly Load[], ways: { same: Way, across: Way }, rounds: number,
 *   seconds: number }} plan
 * @param {(line: string) => void} report
 * @returns {Promise<{ results: readonly LoadResult[], notes: readonly string[] }>}
 */
export async function benchLoads({ loads, ways, rounds, seconds }, report) {
  /** @type {LoadResult[]} */
  const results = [];
  /** @type {Set<string>} */
  const allNotes = new Set();
  for (const load of loads) {
    const way = ways[load.way];
    const { observers, notes } = await observersOf(way.devices);
    for (const note of notes) allNotes.add(note);
    /** @type {Map<string, Round[]>} */
    const measured = new Map(observers.map(({ name }) => [name, []]));
    /** @type {Map<string, string>} */
    const failed = new Map();
    for (let round = 0; round < rounds; round += 1) {
      for (const observer of rotated(observers, round)) {
        if (failed.has(observer.name)) continue;
        const one = await measureOnce(load, way, observer, seconds).catch((error) => {
          // Without a base there is nothing to compare; without one observer there is.
          if (observer === NOBODY) throw error;
          failed.set(observer.name, error instanceof Error ? error.message : String(error));
          return null;
        });
        if (one === null) continue;
        measured.get(observer.name)?.push(one);
        report(`${load.id}, round ${round + 1}, ${observer.name}: ${roundText(load, one)}`);
      }
    }
    for (const [name, why] of failed) {
      allNotes.add(`${load.id}: ${name} failed: ${why.split('\n').slice(0, 3).join(' ')}`);
    }
    const base = measured.get(NOBODY.name) ?? [];
    const rows = [...measured]
      // A row with fewer rounds than the base is compared with other rounds.
      .filter(([name]) => !failed.has(name))
      .map(([name, each]) => loadRow(name, load, each, base));
    results.push({ load, way: way.name, rows });
  }
  return { results, notes: [...allNotes] };
}

/** @param {Load} load @param {Round} one */
function roundText(load, one) {
  const exact = one.exactness === null ? '' : `, ${one.exactness.packets} packets off`;
  return `${Math.round(one.rate)} ${UNITS[load.kind]}${exact}`;
}

/**
 * @param {Load} load
 * @param {Way} way
 * @param {Observer} observer
 * @param {number} seconds
 * @returns {Promise<Round>}
 */
export async function measureOnce(load, way, observer, seconds) {
  const { pids, readyMs, stop } = await startObserver(observer);
  const daemon = observer.daemon === true;
  let round;
  try {
    const before = daemon ? await metricsPage() : null;
    const [packetsBefore, dropsBefore] = await Promise.all([packetsOf(way.from), kernelDrops()]);
    const [cpuBefore, started] = [await familyCpuSeconds(pids), performance.now()];
    const loaded = await runLoad(load, way, seconds);
    const took = (performance.now() - started) / 1000;
    const cpu = (await familyCpuSeconds(pids)) - cpuBefore;
    const packets = (await packetsOf(way.from)) - packetsBefore;
    const flows = daemon && loaded.sent !== null ? await settledFlows(way, loaded.sent.port) : null;
    const exact = flows === null || loaded.sent === null ? null : exactness(flows, loaded.sent);
    round = {
      rate: loaded.rate,
      p50Ns: loaded.p50Ns,
      p99Ns: loaded.p99Ns,
      cores: cpu / took,
      cpuPerMillion: daemon && packets > 0 ? (cpu * 1e6) / packets : null,
      kernelDrops: (await kernelDrops()) - dropsBefore,
      counted: before === null ? null : counted(before, await metricsPage()),
      exactness: exact,
      pathsPerSecond: exact === null ? null : exact.paths / seconds,
    };
  } catch (error) {
    await stop();
    throw error;
  }
  const { stopMs, words } = await stop();
  return { ...round, counted: observer.counts?.(words) ?? round.counted, readyMs, stopMs };
}

/**
 * Packets that a pod has sent and got, as its device counts them.
 *
 * @param {string} netns
 */
async function packetsOf(netns) {
  const [link] = JSON.parse(await output(['ip', '-n', netns, '-j', '-s', 'link', 'show', 'eth0']));
  return link.stats64.tx.packets + link.stats64.rx.packets;
}

/** Packets dropped for a full backlog, by all CPUs (column 2 of softnet_stat, hexadecimal). */
async function kernelDrops() {
  return softnetDrops(await readFile('/proc/net/softnet_stat', 'utf8'));
}

/** @param {string} text */
export function softnetDrops(text) {
  return text
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number.parseInt(line.split(/\s+/)[1] ?? '0', 16), 0);
}

/**
 * @param {string} observer
 * @param {Load} load
 * @param {readonly Round[]} rounds
 * @param {readonly Round[]} base
 * @returns {LoadRow}
 */
export function loadRow(observer, load, rounds, base) {
  const rates = rounds.map(({ rate }) => rate);
  const counts = rounds.flatMap((round) => (round.counted === null ? [] : [round.counted]));
  const exact = rounds.flatMap((round) => (round.exactness === null ? [] : [round.exactness]));
  /** @type {Record<string, number>} */
  const lostByCause = {};
  for (const [cause, lost] of counts.flatMap((each) => Object.entries(each.lostByCause))) {
    lostByCause[cause] = (lostByCause[cause] ?? 0) + lost;
  }
  const sum = (/** @type {'events' | 'lost'} */ key) =>
    counts.some((each) => each[key] !== null)
      ? counts.reduce((total, each) => total + (each[key] ?? 0), 0)
      : null;
  const worst = exact.map(({ packets }) => packets).sort((a, b) => Math.abs(b) - Math.abs(a))[0];
  return {
    observer,
    unit: UNITS[load.kind],
    rate: median(rates),
    ...ratioOfMedians(
      rates,
      base.map(({ rate }) => rate),
    ),
    p50Ns: medianOrNull(rounds.map(({ p50Ns }) => p50Ns)),
    p99Ns: medianOrNull(rounds.map(({ p99Ns }) => p99Ns)),
    cores: median(rounds.map(({ cores }) => cores)),
    cpuPerMillion: medianOrNull(rounds.map(({ cpuPerMillion }) => cpuPerMillion)),
    pathsPerSecond: medianOrNull(rounds.map(({ pathsPerSecond }) => pathsPerSecond)),
    events: sum('events'),
    lost: sum('lost'),
    lostByCause,
    exact:
      worst === undefined
        ? null
        : { rounds: exact.filter((each) => each.exact).length, of: exact.length, worst },
    rounds,
  };
}
