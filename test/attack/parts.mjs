// @ts-check
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { byLabel, total } from '../bench/metrics.mjs';
import { median, rotated } from '../bench/statistics.mjs';
import { Daemon, memoryMib } from './daemon.mjs';
import { flood, startEcho, startHostile } from './flood.mjs';

/**
 * @typedef {object} Row one line of the table
 * @property {string} attack
 * @property {string} figure what was measured
 * @property {string} value
 * @property {string} bound
 * @property {boolean} holds
 *
 * @typedef {{ quick: boolean, report: (line: string) => void }} Size
 */

const PORT = 17_677;
const SAMPLE_MS = 50;
const SETTLE_MS = 3_000;
/** CPU time that the server spends on others before it answers. */
const SPENT_LIMIT_MS = 1_000;
/** More of the hops lost under attack than without, percent of all. */
const LOSS_LIMIT_PERCENT = 2;
const SERVER_GROWTH_LIMIT_MIB = 64;
/** An answer that is not read, or a request that does not come, ends a connection after this. */
const DEADLINE_LIMIT_MS = 15_000;

/** Attacks on the server, each with its clients, and the counter that says so. @type {readonly (readonly [string, number, string, boolean])[]} */
const ATTACKS = [
  ['limit-one', 4, '', false],
  ['filters', 32, 'clients_held_back_total', false],
  ['unread', 60, 'pages_unread_total', true],
  ['unread', 256, 'pages_unread_total', true],
  ['unread-metrics', 60, 'connections_pipelined_total', false],
  ['unread-sockets', 32, 'bad_messages_total', false],
  ['idle', 256, 'connections_idle_total', true],
  ['half-open', 256, 'requests_refused_total', true],
  ['drip', 256, 'requests_refused_total', true],
  ['drip-body', 100, 'requests_refused_total', true],
  ['pour-body', 16, 'requests_refused_total', false],
  ['long-url', 16, 'requests_refused_total', false],
  ['long-header', 16, 'requests_refused_total', false],
  ['many-headers', 16, 'requests_refused_total', false],
  ['pipelined', 16, 'connections_pipelined_total', true],
  ['fragments', 32, 'bad_messages_total', false],
  ['empty-fragments', 32, 'bad_messages_total', false],
  ['pings', 32, 'bad_messages_total', false],
  ['pings-unread', 32, 'bad_messages_total', false],
  ['bomb', 16, 'bad_messages_total', true],
  ['upgrades', 32, '', false],
];

/** @param {number} value */
const ms = (value) => `${value.toFixed(0)} ms`;

/**
 * Losses of the daemon beside a flood, without and with the loop of requests, in turns.
 *
 * @param {Size} size
 * @returns {Promise<Row[]>}
 */
export async function losses({ quick, report }) {
  const daemon = await Daemon.start(PORT, ['--sample', 'all']);
  const echo = await startEcho();
  /** @type {Record<string, number[]>} */
  const shares = { quiet: [], healthz: [], 'limit-one': [] };
  try {
    await flood({ flows: 100, rate: 500, seconds: 2 });
    for (let round = 0; round < (quick ? 1 : 5); round += 1) {
      for (const arm of rotated(Object.keys(shares), round)) {
        const hostile = arm === 'quiet' ? null : await startHostile(arm, PORT, 4);
        const before = await daemon.losses();
        await flood({ flows: 100, rate: 3_000, seconds: quick ? 2 : 4 });
        await hostile?.stop();
        await delay(SETTLE_MS / 3);
        const after = await daemon.losses();
        const lost = after.lost - before.lost;
        const share = (100 * lost) / Math.max(1, lost + after.seen - before.seen);
        shares[arm]?.push(share);
        report(`losses, round ${round}, ${arm}: ${share.toFixed(2)} %`);
      }
    }
  } finally {
    await echo.stop();
    await daemon.stop();
  }
  const of = (/** @type {string} */ arm) => median(shares[arm] ?? []);
  // The same clients that ask for nothing of the daemon take as much CPU time.
  const base = Math.max(of('quiet'), of('healthz'));
  return [
    {
      attack: '/api/flows?limit=1, 4 loops, beside a flood',
      figure: 'hops lost; without; with as many loops of /healthz',
      value: `${of('limit-one').toFixed(1)} %; ${of('quiet').toFixed(1)} %; ${of('healthz').toFixed(1)} %`,
      bound: `+${LOSS_LIMIT_PERCENT} %`,
      holds: of('limit-one') <= base + LOSS_LIMIT_PERCENT,
    },
  ];
}

/**
 * Everything that clients can do to the server, beside 100,000 flows.
 *
 * @param {Size} size
 * @returns {Promise<Row[]>}
 */
export async function clients({ quick, report }) {
  const daemon = await Daemon.start(PORT, []);
  const echo = await startEcho();
  /** @type {Row[]} */
  const rows = [];
  try {
    await flood({ flows: 100_000, rate: 10_000, seconds: quick ? 5 : 20 });
    const going = new AbortController();
    const background = (async () => {
      while (!going.signal.aborted) await flood({ flows: 2_000, rate: 300, seconds: 2 });
    })();
    for (const [attack, count, counter, isEnded] of ATTACKS) {
      const before = await daemon.metrics();
      const startMib = memoryMib(daemon.serverPid, 'VmRSS');
      const hostile = await startHostile(attack, PORT, count);
      // Deadlines of ten seconds have to come.
      const seen = await daemon.probe(isEnded && !quick ? DEADLINE_LIMIT_MS : 4_000);
      const mostMib = memoryMib(daemon.serverPid, 'VmHWM');
      const said = await hostile.stop();
      const after = await daemon.metrics();
      const name = `hopscope_${counter}`;
      const counted =
        counter === '' ? null : (total(after, name) ?? 0) - (total(before, name) ?? 0);
      const row = {
        attack: `${attack}, ${count} clients`,
        figure: 'healthz p99, metrics p99, CPU before an answer, RSS, refused, ended',
        value: [
          ...[ms(seen.healthzP99), ms(seen.metricsP99), ms(seen.mostSpent)],
          `${startMib.toFixed(0)}→${mostMib.toFixed(0)} MiB`,
          ...[counted ?? '–', `${said.ended}/${said.connections}`],
        ].join(', '),
        bound: `answered, ${ms(SPENT_LIMIT_MS)}, +${SERVER_GROWTH_LIMIT_MIB} MiB`,
        holds:
          seen.failed === 0 &&
          seen.isSame &&
          seen.mostSpent <= SPENT_LIMIT_MS &&
          mostMib <= startMib + SERVER_GROWTH_LIMIT_MIB &&
          (counted !== 0 || (isEnded && quick)) &&
          (!isEnded || quick || said.ended > 0),
      };
      rows.push(row);
      report(`${row.holds ? 'holds' : 'FAILS'}: ${row.attack}: ${row.value}`);
    }
    going.abort();
    await background;
  } finally {
    await echo.stop();
    await daemon.stop();
  }
  return rows;
}

/** A dashboard, and somebody who walks through all pages. @param {Daemon} daemon */
async function watchers(daemon) {
  const socket = new WebSocket(`ws://127.0.0.1:${daemon.port}/ws`);
  socket.on('error', () => undefined);
  let going = true;
  let pages = 0;
  let refused = 0;
  const walking = (async () => {
    for (let cursor = ''; going; ) {
      const answer = await daemon.ask(`/api/flows?limit=1000${cursor}`).catch(() => null);
      if (answer?.status === 200) {
        pages += 1;
        const next = JSON.parse(answer.text).next;
        cursor = next === null ? '' : `&cursor=${next}`;
      } else {
        refused += 1;
        await delay(SAMPLE_MS);
      }
    }
  })();
  return async () => {
    going = false;
    socket.terminate();
    await walking;
    return { pages, refused };
  };
}

/**
 * More flows than fit, each at some hundred places, with a dashboard and a walk through all
 * pages: what both processes ever had, together.
 *
 * @param {Size} size
 * @returns {Promise<Row[]>}
 */
export async function memory({ quick, report }) {
  /** @type {Row[]} */
  const rows = [];
  for (const [mib, sample] of /** @type {const} */ ([
    [384, 'all'],
    [512, 'auto'],
    [512, 'all'],
    [1_024, 'all'],
  ])) {
    if (quick && mib !== 512) continue;
    const daemon = await Daemon.start(PORT, ['--memory', `${mib}M`, '--sample', sample]);
    const echo = await startEcho();
    const stop = await watchers(daemon);
    const pids = [daemon.pid, daemon.joinerPid, daemon.serverPid];
    /** @param {'VmRSS' | 'VmHWM'} what */
    const memory = (what) => pids.reduce((sum, pid) => sum + memoryMib(pid, what), 0);
    let most = 0;
    const timer = setInterval(() => {
      most = Math.max(most, memory('VmRSS'));
    }, SAMPLE_MS);
    try {
      // Counted first, as many as come; then slowly enough for all to be traced.
      await flood({ flows: 200_000, rate: 20_000, seconds: quick ? 5 : 15 });
      await flood({ flows: 200_000, rate: 1_500, seconds: quick ? 5 : 30 });
      await delay(SETTLE_MS);
      const metrics = await daemon.metrics();
      const evicted = byLabel(metrics, 'hopscope_lost_total', 'cause')['flows-evicted'] ?? 0;
      const highest = memory('VmHWM');
      const { pages, refused } = await stop();
      const row = {
        attack: `200,000 ports, ${sample}, --memory ${mib}M`,
        figure: 'most resident at a time, sum of peaks, flows evicted, pages, refused',
        value: `${most.toFixed(0)} MiB, ${highest.toFixed(0)} MiB, ${evicted}, ${pages}, ${refused}`,
        bound: `${mib} MiB, no process ended`,
        holds: Math.max(most, highest) <= mib && daemon.serverPid === pids[2],
      };
      rows.push(row);
      report(`${row.holds ? 'holds' : 'FAILS'}: ${row.attack}: ${row.value}`);
    } finally {
      clearInterval(timer);
      await echo.stop();
      await daemon.stop();
    }
  }
  return rows;
}
