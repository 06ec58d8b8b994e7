// @ts-check
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
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
 */

/**
 * Received packets a second, for each observer one number a round. All observers
 * take turns within one round: what else the machine does meets them alike.
 *
 * @param {ThroughputPlan} plan
 * @param {(line: string) => void} report
 * @returns {Promise<Map<string, number[]>>}
 */
export async function measureThroughput(plan, report) {
  /** @type {Map<string, number[]>} */
  const rates = new Map(plan.observers.map((observer) => [observer.name, []]));
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const observer of rotated(plan.observers, round)) {
      const stop = await startObserver(observer);
      try {
        const rate = await receivedRate(plan);
        rates.get(observer.name)?.push(rate);
        report(`round ${round + 1}, ${observer.name}: ${Math.round(rate)} packets/s`);
      } finally {
        await stop();
      }
    }
  }
  return rates;
}

/** @param {ThroughputPlan} plan */
async function receivedRate(plan) {
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
        '0',
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
