// @ts-check
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseMetrics, total } from '../bench/metrics.mjs';
import { start } from '../bench/processes.mjs';
import { percentile } from '../bench/statistics.mjs';
import { NAMESPACES } from './chain.mjs';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const READY_LIMIT_MS = 60_000;
const ANSWER_LIMIT_MS = 30_000;
const PROBE_PAUSE_MS = 20;
const KIB_A_MIB = 1_024;
const NS_A_MS = 1e6;

/** A daemon that watches the row of namespaces, and nothing else of this machine. */
export class Daemon {
  /** @param {import('../bench/processes.mjs').Running} running @param {number} port */
  constructor(running, port) {
    this.pid = running.pid;
    this.port = port;
    this.stop = running.stop;
  }

  /** @param {number} port @param {readonly string[]} more options */
  static async start(port, more) {
    const running = await start(
      [
        process.execPath,
        ...[MAIN, 'serve', '--port', String(port)],
        ...NAMESPACES.flatMap((netns) => ['--netns', netns]),
        ...more,
      ],
      { ready: /^ready$/, limitMs: READY_LIMIT_MS },
    );
    return new Daemon(running, port);
  }

  /** The process that joins. */
  get joinerPid() {
    return childOf(this.pid);
  }

  /** The process that serves; 0 between two. */
  get serverPid() {
    return childOf(this.joinerPid);
  }

  /** @param {string} path @returns {Promise<{ status: number, text: string }>} */
  ask(path) {
    return new Promise((resolve, reject) => {
      const asked = get(
        { host: '127.0.0.1', port: this.port, path, agent: false, timeout: ANSWER_LIMIT_MS },
        (answer) => {
          let text = '';
          answer.on('data', (chunk) => {
            text += chunk;
          });
          answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
          answer.once('error', reject);
        },
      );
      asked.once('timeout', () => asked.destroy(new Error(`no answer to ${path}`)));
      asked.once('error', reject);
    });
  }

  async metrics() {
    return parseMetrics((await this.ask('/metrics')).text);
  }

  /** Hops lost, of those lost and seen, so far. */
  async losses() {
    const metrics = await this.metrics();
    return {
      lost: total(metrics, 'hopscope_events_lost_total') ?? 0,
      seen: total(metrics, 'hopscope_events_total') ?? 0,
    };
  }

  /**
   * Asks as somebody who means no harm, for so long: how long answers took, and how much CPU
   * time the server took before each, which does not depend on what else the machine does.
   *
   * @param {number} ms
   */
  async probe(ms) {
    const pid = this.serverPid;
    /** @type {Record<string, number[]>} */
    const times = { '/healthz': [], '/metrics': [] };
    /** @type {number[]} */
    const spent = [];
    let failed = 0;
    const end = performance.now() + ms;
    while (performance.now() < end) {
      for (const [path, list] of Object.entries(times)) {
        const [begun, before] = [performance.now(), spentMs(pid)];
        const isAnswered = await this.ask(path).then(
          ({ status }) => status === 200,
          () => false,
        );
        if (!isAnswered) failed += 1;
        list.push(performance.now() - begun);
        spent.push(spentMs(pid) - before);
      }
      await new Promise((resolve) => setTimeout(resolve, PROBE_PAUSE_MS));
    }
    return {
      failed,
      asked: spent.length,
      healthzP99: percentile(times['/healthz'] ?? [], 0.99),
      metricsP99: percentile(times['/metrics'] ?? [], 0.99),
      mostSpent: Math.max(...spent),
      isSame: pid === this.serverPid,
    };
  }
}

/** The first child of a process; 0 where it has none. @param {number} pid */
function childOf(pid) {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return Number(children.trim().split(' ')[0]);
  } catch {
    return 0;
  }
}

/** CPU time of a process's first thread so far, ms: its event loop's. @param {number} pid */
function spentMs(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / NS_A_MS;
  } catch {
    return 0;
  }
}

/** A line of /proc/PID/status, MiB; VmHWM is the most there was. @param {number} pid @param {'VmRSS' | 'VmHWM'} what */
export function memoryMib(pid, what) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / KIB_A_MIB;
  } catch {
    return 0;
  }
}
