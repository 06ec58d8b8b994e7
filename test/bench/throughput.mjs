// @ts-check
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cpuSeconds } from './daemon-cost.mjs';
import { startObserver } from './observer.mjs';
import { rotated } from './statistics.mjs';

const run = promisify(execFile);

/** Datagrams as small as iperf3 sends them with its own header: the most packets a byte. */
const PAYLOAD_BYTES = 64;
const PORT = 5201;
const OUTPUT_LIMIT = 16 * 1024 * 1024;

/**
 * @typedef {import('./observer.mjs').Observer} Observer
 *
 * @typedef {object} ThroughputPlan
 * @property {string} from namespace of the sender
 * @property {string} to namespace of the receiver
 * @property {string} address the receiver's
 * @property {number} seconds of one measurement
 * @property {number} rounds
 * @property {readonly Observer[]} observers each measured once a round
 * @property {(observer: Observer) => Promise<Losses | null>} [losses] asked before and after
 *
 * @typedef {object} Losses events since its start
 * @property {number} seen
 * @property {number} lost
 *
 * @typedef {object} Measured one round of one observer
 * @property {number} rate packets received a second
 * @property {number} cpu cores its processes used meanwhile
 * @property {number} readyMs
 * @property {number} stopMs
 * @property {Losses | null} losses
 */

/**
 * What each observer cost, round by round. All take turns within one round: what else
 * the machine does meets them alike.
 *
 * @param {ThroughputPlan} plan
 * @param {(line: string) => void} report
 * @returns {Promise<Map<string, Measured[]>>}
 */
export async function measureThroughput(plan, report) {
  /** @type {Map<string, Measured[]>} */
  const measured = new Map(plan.observers.map((observer) => [observer.name, []]));
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const observer of rotated(plan.observers, round)) {
      const one = await measureOnce(plan, observer);
      measured.get(observer.name)?.push(one);
      report(`round ${round + 1}, ${observer.name}: ${Math.round(one.rate)} packets/s`);
    }
  }
  return measured;
}

/**
 * @param {ThroughputPlan} plan
 * @param {Observer} observer
 * @returns {Promise<Measured>}
 */
async function measureOnce(plan, observer) {
  const { pids, readyMs, stop } = await startObserver(observer);
  const cpuOfAll = async () => {
    const each = await Promise.all(pids.map(cpuSeconds));
    return each.reduce((sum, seconds) => sum + seconds, 0);
  };
  let measured;
  try {
    const before = (await plan.losses?.(observer)) ?? null;
    const [cpuBefore, started] = [await cpuOfAll(), performance.now()];
    const rate = await receivedRate(plan);
    const cpu = ((await cpuOfAll()) - cpuBefore) / ((performance.now() - started) / 1000);
    const after = (await plan.losses?.(observer)) ?? null;
    const losses =
      before === null || after === null
        ? null
        : { seen: after.seen - before.seen, lost: after.lost - before.lost };
    measured = { rate, cpu, readyMs, losses };
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...measured, stopMs: await stop() };
}

/**
 * Packets a second that arrive of one stream of small datagrams.
 *
 * @param {{ from: string, to: string, address: string, seconds: number, bitrate?: number }} plan
 *   `bitrate` in bits a second; 0 or nothing: as many as go
 */
export async function receivedRate(plan) {
  const server = spawn(
    'ip',
    ['netns', 'exec', plan.to, 'iperf3', '--server', '--one-off', '--port', String(PORT)],
    { stdio: 'ignore' },
  );
  const ended = once(server, 'exit');
  try {
    await untilListening(plan.to);
    const { stdout } = await run(
      'ip',
      ['netns', 'exec', plan.from, 'iperf3', '--client', plan.address].concat([
        '--port',
        String(PORT),
        '--udp',
        '--length',
        String(PAYLOAD_BYTES),
        '--bitrate',
        String(plan.bitrate ?? 0),
        '--time',
        String(plan.seconds),
        '--json',
      ]),
      { maxBuffer: OUTPUT_LIMIT },
    );
    const { sum } = JSON.parse(stdout).end;
    return (sum.packets - sum.lost_packets) / sum.seconds;
  } finally {
    server.kill('SIGKILL');
    await ended;
  }
}

/** @param {string} netns */
async function untilListening(netns) {
  for (let tries = 0; tries < 50; tries += 1) {
    const { stdout } = await run('ip', ['netns', 'exec', netns, 'ss', '-Hltn', `sport = :${PORT}`]);
    if (stdout.trim() !== '') return;
    await delay(50);
  }
  throw new Error(`iperf3 does not listen in ${netns}`);
}
