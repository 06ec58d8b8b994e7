import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { FlowRecord } from 'hopscope-protocol';
import { ipBatch, runCommand, runIn, setSysctls } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { stream } from '../scenario/traffic.js';
import { TRACER_OBJECT } from './tracer-object.js';

const PREFIX = 'hs-seen-';
const POLL_MS = 25;

/** Two hosts and the router between them: a0 – ra, rb – b0. */
export const A = `${PREFIX}a`;
export const ROUTER = `${PREFIX}r`;
export const B = `${PREFIX}b`;
export const A_IP = '10.31.1.2';
export const B_IP = '10.31.2.2';
const SIDES = [
  { netns: A, dev: 'a0', at: 'ra', net: '10.31.1' },
  { netns: B, dev: 'b0', at: 'rb', net: '10.31.2' },
] as const;

export async function makeSeenNet(): Promise<void> {
  await removeSeenNet();
  for (const netns of [A, ROUTER, B]) {
    await runCommand('ip', ['netns', 'add', netns]);
    await setSysctls(netns, ['net/ipv6/conf/all/disable_ipv6=1', 'net/ipv4/icmp_ratelimit=0']);
  }
  await setSysctls(ROUTER, ['net/ipv4/ip_forward=1']);
  for (const { netns, dev, at, net } of SIDES) {
    await ipBatch(ROUTER, [
      'link set lo up',
      `link add ${at} type veth peer name ${dev} netns ${netns}`,
      `address add ${net}.1/24 dev ${at}`,
      `link set ${at} up`,
    ]);
    await ipBatch(netns, [
      'link set lo up',
      `address add ${net}.2/24 dev ${dev}`,
      `link set ${dev} up`,
      `route add default via ${net}.1`,
    ]);
    // Each segment a packet of its own.
    await ipBatch(netns, [`link set ${dev} gso_max_segs 1`]);
  }
}

export async function removeSeenNet(): Promise<void> {
  for (const netns of [A, ROUTER, B]) {
    await runCommand('ip', ['netns', 'del', netns]).catch(() => undefined);
  }
}

/** What both hosts learned is forgotten. */
export async function flushCaches(): Promise<void> {
  for (const netns of [A, B]) await runIn(netns, 'ip', ['route', 'flush', 'cache']);
}

/** A command that may fail: a ping that nobody answers. */
export function attempt(netns: string, ...words: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile('ip', ['netns', 'exec', netns, ...words], { timeout: 20_000 }, (_, out, err) =>
      resolve(out + err),
    );
  });
}

/** One echo that must not be cut, of so many bytes of IP. */
export function echo(netns: string, to: string, bytes: number, count = 1): Promise<string> {
  return attempt(
    netns,
    ...['ping', '-n', '-c', `${count}`, '-i', '0.1', '-W', '0.3', '-M', 'do'],
    ...['-s', `${bytes - 28}`, to],
  );
}

/** hopscope in this process, on the namespaces of this test or on all. */
export class Watch {
  readonly #pipeline: Pipeline;
  #joined = 0n;

  private constructor(netns: readonly string[] | null) {
    const source = new KernelSource({
      objectFile: TRACER_OBJECT,
      netns,
      count: false,
      sampling: { mode: 'all' },
      onWarning: (message) => {
        throw new Error(message);
      },
    });
    this.#pipeline = new Pipeline(source, {
      namespaceFiltered: netns !== null,
      tap: {
        batch: () => undefined,
        tick: (now) => {
          this.#joined = now;
        },
        catalog: () => undefined,
        end: () => undefined,
      },
    });
  }

  static async start(netns: readonly string[] | null = null): Promise<Watch> {
    const watch = new Watch(netns);
    await watch.#pipeline.start();
    return watch;
  }

  /** Flows between the hosts that changed while `traffic` ran, by protocol. */
  async of(traffic: () => Promise<unknown>): Promise<FlowRecord[]> {
    await this.#settle();
    const begin = this.#pipeline.flows.version;
    await traffic();
    await this.#settle();
    return this.#pipeline.flows
      .changedSince(begin)
      .map((flow) => this.#pipeline.flowRecord(flow))
      .filter(({ original }) => /^10\.(?:31|20)\./u.test(original.src) && original.proto !== 'arp');
  }

  /** The one flow that changed. */
  async only(traffic: () => Promise<unknown>): Promise<FlowRecord> {
    const flows = await this.of(traffic);
    if (flows.length !== 1) throw new Error(`${flows.length} flows: ${JSON.stringify(flows)}`);
    return flows[0] as FlowRecord;
  }

  async stop(): Promise<void> {
    await this.#pipeline.stop();
  }

  async #settle(): Promise<void> {
    const now = process.hrtime.bigint();
    for (let left = 400; left > 0; left--) {
      await delay(POLL_MS);
      if (this.#joined > now && this.#pipeline.joiner.openPaths === 0) return;
    }
    throw new Error(`${this.#pipeline.joiner.openPaths} packets did not come to an end`);
  }
}

/** With another MTU of a device for a time. */
export async function withMtu<T>(
  netns: string,
  dev: string,
  mtu: number,
  look: () => Promise<T>,
): Promise<T> {
  await ipBatch(netns, [`link set ${dev} mtu ${mtu}`]);
  try {
    return await look();
  } finally {
    await ipBatch(netns, [`link set ${dev} mtu 1500`]);
  }
}

/** With rules in a table of their own for a time. */
export async function withRules<T>(
  netns: string,
  rules: string,
  look: () => Promise<T>,
): Promise<T> {
  await runIn(netns, 'nft', [`table ip seen {\n${rules}\n}`]);
  try {
    return await look();
  } finally {
    await runIn(netns, 'nft', ['delete table ip seen']);
  }
}

/** Sends so many bytes over TCP. */
export function send(bytes: number, port: number): () => Promise<number> {
  return () => stream({ netns: A, port: 40_000 + port }, { netns: B, address: B_IP, port }, bytes);
}
