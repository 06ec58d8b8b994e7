import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { RingBuffer } from 'ebpf-ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { LINK_PROGRAM_NAMES } from '../../src/source/hook-programs.js';
import { sumOfCpus } from '../../src/source/kernel-counters.js';
import { ObservedNamespaces } from '../../src/source/observed-namespaces.js';
import { Tracer } from '../../src/source/tracer.js';
import {
  COUNTER_LOST_NESTED,
  COUNTER_LOST_RING,
  COUNTER_PASSED,
} from '../../src/wire/layout.gen.js';
import { makePair, removePair } from './namespaces.js';
import { TRACER_OBJECT } from './tracer-object.js';

const LEFT = { netns: 'hs-flush-left', address: '192.0.2.1' };
const RIGHT = { netns: 'hs-flush-right', address: '192.0.2.2' };
const PINGS = 40_000;
const SENDERS = 3;
/** Without a rest, so that many of them are interrupted. */
const FLUSHES = 200;
/** Runs for packets that are of neither namespace. */
const OTHER_RUNS = 100n;
/** Characters of a program's name that the kernel keeps (BPF_OBJ_NAME_LEN). */
const NAME_LENGTH = 15;
const HOP_PROGRAMS = new Set(
  ['on_egress', 'on_ingress', 'on_drop', ...LINK_PROGRAM_NAMES].map((name) =>
    name.slice(0, NAME_LENGTH),
  ),
);

function countRuns(isOn: boolean): void {
  execFileSync('sysctl', ['-q', '-w', `kernel.bpf_stats_enabled=${isOn ? 1 : 0}`]);
}

/** How often programs ran that add a hop each time. */
function hopRuns(): bigint {
  const shown = execFileSync('bpftool', ['-j', 'prog', 'show'], { encoding: 'utf8' });
  const programs = JSON.parse(shown) as readonly { name?: string; run_cnt?: number }[];
  return programs
    .filter(({ name = '' }) => HOP_PROGRAMS.has(name))
    .reduce((sum, { run_cnt = 0 }) => sum + BigInt(run_cnt), 0n);
}

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await removePair(LEFT, RIGHT);
  await makePair(LEFT, RIGHT);
  // Each CPU receives what the other sent: by an interrupt, whatever it is at.
  for (const [at, { netns }] of [LEFT, RIGHT].entries()) {
    const file = '/sys/class/net/eth0/queues/rx-0/rps_cpus';
    await runIn(netns, 'bash', ['-c', `echo ${1 << at} > ${file}`]);
  }
  countRuns(true);
});
afterAll(async () => {
  countRuns(false);
  await removePair(LEFT, RIGHT);
});

it('packets that interrupt a flush are handed over once, each with all its hops', async () => {
  const tracer = new Tracer({ objectFile: TRACER_OBJECT, ownPort: 0, namespaceFiltered: true });
  try {
    await tracer.attach(new ObservedNamespaces([LEFT.netns, RIGHT.netns]).scan());
    const events = tracer.map('events');
    const counters = tracer.map('counters');
    if (events === undefined || counters === undefined) throw new Error('not attached');
    const ring = new RingBuffer(events);
    const target = new Uint8Array(32 << 20);
    const ping = ['ping', '-f', '-n', '-q', '-c', String(PINGS), RIGHT.address];
    let sending = SENDERS;
    for (let at = 0; at < SENDERS; at++) {
      const sender = spawn('ip', ['netns', 'exec', LEFT.netns, ...ping], { stdio: 'ignore' });
      void once(sender, 'exit').then(() => {
        sending -= 1;
      });
    }
    while (sending > 0) {
      for (let i = 0; i < FLUSHES; i++) tracer.flush();
      ring.drain(target);
      await nextTurn();
    }
    expect(tracer.flush()).toBe(true);
    const of = (index: number) => sumOfCpus(counters, index);
    const runs = hopRuns();
    const hops = of(COUNTER_PASSED) + of(COUNTER_LOST_RING) + of(COUNTER_LOST_NESTED);
    expect(hops).toBeGreaterThan(BigInt(SENDERS * PINGS * 6));
    expect(hops).toBeLessThanOrEqual(runs);
    expect(hops).toBeGreaterThan(runs - OTHER_RUNS);
    ring.close();
  } finally {
    tracer.dispose();
  }
}, 120_000);
