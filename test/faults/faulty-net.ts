import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { type End, makePair, removePair } from '../source/namespaces.js';

export const LEFT: End = { netns: 'hs-fault-left', address: '192.0.2.1' };
export const RIGHT: End = { netns: 'hs-fault-right', address: '192.0.2.2' };
export const WATCHED = ['--netns', LEFT.netns, '--netns', RIGHT.netns];

/** Both ends, with a table of netfilter in one. */
export async function makeNet(): Promise<void> {
  await removePair(LEFT, RIGHT);
  await makePair(LEFT, RIGHT);
  // What forwards is a node, whose ends of veth pairs are counted.
  await runIn(LEFT.netns, 'sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
  await addRules();
  for (const { netns } of [LEFT, RIGHT]) await untilUp(netns);
}

/** A device is up a moment after it was set so. */
async function untilUp(netns: string): Promise<void> {
  for (let waited = 0; waited < 5000; waited += 50) {
    const shown = await runIn(netns, 'ip', ['-o', 'link', 'show', 'eth0']);
    if (shown.includes('state UP')) return;
    await delay(50);
  }
  throw new Error(`eth0 of ${netns} does not come up`);
}

export async function addRules(): Promise<void> {
  const chain = 'chain c { type filter hook input priority filter; udp dport 9 drop; }';
  await runIn(RIGHT.netns, 'nft', [`table ip fault {\n${chain}\n}`]);
}

export const removeNet = (): Promise<void> => removePair(LEFT, RIGHT);

/**
 * What hopscope must leave as it was: devices, queueing disciplines, what is attached and the rules of
 * both ends, sysctls of BPF, pinned objects, and the lock of iptables.
 */
export async function stateOfNet(): Promise<Record<string, string>> {
  const state: Record<string, string> = {};
  for (const { netns } of [LEFT, RIGHT]) {
    state[`${netns} links`] = await runIn(netns, 'ip', ['-o', 'link']);
    state[`${netns} qdiscs`] = await runIn(netns, 'tc', ['qdisc']);
    state[`${netns} rules`] = await runIn(netns, 'nft', ['list', 'ruleset']);
    state[`${netns} bpf`] = await runIn(netns, 'bpftool', ['net']);
  }
  const pinned = existsSync('/sys/fs/bpf') ? readdirSync('/sys/fs/bpf') : [];
  state['pinned'] = pinned.sort().join(' ');
  // Somebody else may have it for a moment.
  const lock = ['-w', '10', '/run/xtables.lock', 'true'];
  state['iptables lock'] = await runCommand('flock', lock).then(() => 'free');
  return state;
}

const SENDER = `
const [address, from, to, perTick] = process.argv.slice(1);
const socket = require('node:dgram').createSocket('udp4');
let sent = 0;
let open = 0;
socket.bind(Number(from), () => socket.connect(Number(to), address, () => {
  const timer = setInterval(() => {
    for (let i = 0; i < Number(perTick); i++) {
      open++;
      socket.send('x'.repeat(100), (error) => { open--; if (error === null) sent++; });
    }
  }, 10);
  process.stdin.resume().once('end', () => {
    clearInterval(timer);
    const wait = setInterval(() => {
      if (open > 0) return;
      process.stdout.write(String(sent), () => process.exit(0));
    }, 10);
  });
  process.stderr.write('sending');
}));
socket.on('error', () => undefined);
`;

/** Datagrams from the left to the right end, whose number is known at the end. */
export class Sender {
  readonly #child: ChildProcess;
  #out = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text;
    });
  }

  /** @param perTick datagrams each 10 ms */
  static async start(from: number, to: number, perTick = 10): Promise<Sender> {
    const words = [process.execPath, '-e', SENDER, RIGHT.address, String(from), String(to)];
    const args = ['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', LEFT.netns, ...words];
    const child = spawn('setpriv', [...args, String(perTick)], { stdio: ['pipe', 'pipe', 'pipe'] });
    const sender = new Sender(child);
    await once(child.stderr ?? child, 'data');
    return sender;
  }

  /** Ends it; how many its kernel took. */
  async stop(): Promise<number> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, 'close');
    return Number(this.#out);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
