import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ORIGINAL, REPLY } from '../../src/flow/direction-index.js';
import type { Flow } from '../../src/flow/flow.js';
import { runIn } from '../../src/lab/run-command.js';
import { DEFAULT_BUDGET } from '../../src/model/sampling.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { A, B, makeCountedRouter, ROUTER, removeCountedRouter, SERVICE } from './counted-router.js';
import { TRACER_OBJECT } from './tracer-object.js';

const CONNECTIONS = 100;
const PORT = 5353;
const FIRST_PORT = 20_000;
const TRANSLATION = `
table ip flood {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr ${SERVICE} tcp dport 80 dnat to ${B.ip}:${PORT}
  }
}`;
const SERVER = `
require('node:net').createServer((socket) => {
  socket.on('data', () => socket.end('answer'));
  socket.on('error', () => {});
}).listen(${PORT}, () => console.log('ready'));
`;
const FLOOD = `
const socket = require('node:dgram').createSocket('udp4');
const next = () => socket.send(Buffer.alloc(64), 9, '${B.ip}', next);
for (let i = 0; i < 32; i++) next();
`;
/** One short connection after another, each with its own port. */
const CLIENT = `
const net = require('node:net');
let at = 0;
const next = () => {
  if (at === ${CONNECTIONS}) return;
  const socket = net.connect({ host: '${SERVICE}', port: 80, localPort: ${FIRST_PORT} + at++ });
  socket.on('connect', () => socket.write('question'));
  socket.resume().on('close', () => setTimeout(next, 20));
  socket.on('error', (error) => { console.error(error.message); process.exit(1); });
};
next();
`;

const children: ChildProcess[] = [];
function inside(netns: string, script: string): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', netns, process.execPath, '-e', script]);
  children.push(child);
  return child;
}

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await makeCountedRouter();
  await runIn(ROUTER, 'nft', [TRANSLATION]);
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await removeCountedRouter();
});

/**
 * A budget, as a share of one core, and how many connections are seen hop by hop at least. The
 * second pays for a look at each packet of the flood between windows: 10 % of a core and more.
 */
const SEEN_LEAST = [
  [DEFAULT_BUDGET, 1],
  [0.8, 95],
] as const;

it.each(SEEN_LEAST)(
  'a flood hides nobody: with a budget of %d each short connection is one flow, %d are seen',
  async (budget, seenLeast) => {
    const source = new KernelSource({
      objectFile: TRACER_OBJECT,
      netns: [ROUTER, A.netns, B.netns],
      count: true,
      sampling: { mode: 'auto', budget },
    });
    const pipeline = new Pipeline(source, { namespaceFiltered: true });
    await pipeline.start();
    const others = [inside(B.netns, SERVER), inside(A.netns, FLOOD)];
    await delay(2_000);
    await runIn(A.netns, process.execPath, ['-e', CLIENT]);
    await delay(1_500);
    await pipeline.stop();
    for (const child of others) child.kill('SIGKILL');
    const flows = pipeline.flows.changedSince(0);
    const short = flows.filter(({ original }) => original.dst === SERVICE);
    // Between windows new flows are seen for as long as the budget pays for that.
    const seen = short.filter(({ paths }) => paths > 0);
    expect(seen.length).toBeGreaterThanOrEqual(seenLeast);
    // Of those seen at all, most packets are; a window that closes cuts some connections.
    const packets = (flow: Flow) => flow.packets(ORIGINAL) + flow.packets(REPLY);
    const traced = seen.reduce((sum, { paths }) => sum + paths, 0);
    const counted = seen.reduce((sum, flow) => sum + packets(flow), 0);
    expect(traced).toBeGreaterThanOrEqual(counted * 0.5);
    // Where few are seen it is left to chance how many of them are cut.
    const whole = seen.filter((flow) => flow.paths === packets(flow));
    if (budget > DEFAULT_BUDGET) {
      expect(whole.length).toBeGreaterThanOrEqual(seen.length * 0.5);
    }
    // And the flood leaves room in the ring.
    expect(source.losses()).toMatchObject({ 'ring-full-hops': 0n, 'ring-full-events': 0n });
    expect(flows.filter(({ original }) => original.dport === PORT)).toEqual([]);
    expect(short.length).toBe(CONNECTIONS);
    for (const flow of short) {
      expect(flow.reply?.src).toBe(B.ip);
      expect(flow.packets(ORIGINAL)).toBeGreaterThan(3);
      expect(flow.packets(REPLY)).toBeGreaterThan(2);
    }
  },
  120_000,
);
