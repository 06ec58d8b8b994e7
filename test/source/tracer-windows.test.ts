import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { type BpfMap, BpfObject, type Link, probe, RingBuffer } from 'ebpf-ts';
import type { HopRecord, PathRecord } from 'hopscope-protocol';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { LINK_PROGRAM_NAMES, linkProgram } from '../../src/source/hook-programs.js';
import { sumOfCpus } from '../../src/source/kernel-counters.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { readNamespace } from '../../src/source/namespace-number.js';
import { ObservedNamespaces } from '../../src/source/observed-namespaces.js';
import { Tracer } from '../../src/source/tracer.js';
import { roomOf } from '../../src/source/tracing-gate.js';
import { COUNTER_PASSED, COUNTER_PAST_SHARE } from '../../src/wire/layout.gen.js';
import { makePair, removePair } from './namespaces.js';
import { TRACER_OBJECT } from './tracer-object.js';

const LEFT = { netns: 'hs-window-left', address: '192.0.2.1' };
const RIGHT = { netns: 'hs-window-right', address: '192.0.2.2' };
const NETNS = [LEFT.netns, RIGHT.netns];
const CHAINS = [-300, -150, -100].map(
  (priority, i) => `add chain ip t c${i} { type filter hook prerouting priority ${priority}; }`,
);
const links = probe().netfilterLink.available;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  await removePair(LEFT, RIGHT);
  await makePair(LEFT, RIGHT);
  await runIn(RIGHT.netns, 'nft', [['add table ip t', ...CHAINS].join('; ')]);
});
afterAll(() => removePair(LEFT, RIGHT));

interface Watch {
  readonly source: KernelSource;
  readonly pipeline: Pipeline;
  readonly paths: PathRecord[];
}
let watch: Watch;

beforeEach(async () => {
  const source = new KernelSource({ objectFile: TRACER_OBJECT, netns: NETNS });
  const paths: PathRecord[] = [];
  const pipeline: Pipeline = new Pipeline(source, {
    namespaceFiltered: true,
    onPath: (finished) => paths.push(pipeline.pathRecord(finished)),
  });
  await pipeline.start();
  watch = { source, pipeline, paths };
});
afterEach(() => watch.pipeline.stop());

async function ping(): Promise<PathRecord[]> {
  watch.paths.splice(0);
  await runIn(LEFT.netns, 'ping', ['-n', '-c', '1', '-W', '1', RIGHT.address]);
  await delay(300);
  return [...watch.paths];
}

function atHooks(path: PathRecord | undefined): string[] {
  return (path?.hops ?? [])
    .filter(({ netns, stage }: HopRecord) => netns === RIGHT.netns && stage === 'netfilter')
    .map(({ hook, priority }) => `${hook} ${priority}`);
}

it('closed it sees drops and nothing else, and open all of it again', async () => {
  watch.source.see('drops');
  const closed = await ping();
  expect(closed.flatMap(({ hops }) => hops).filter(({ stage }) => stage !== 'drop')).toEqual([]);
  await runIn(LEFT.netns, 'bash', ['-c', `echo > /dev/udp/${RIGHT.address}/9 || true`]);
  await delay(300);
  const drops = watch.paths.filter(({ hops }) => hops[0]?.tuple?.proto === 'udp');
  expect(drops.map(({ verdict, drop }) => [verdict, drop?.reason])).toEqual([
    ['dropped', 'NO_SOCKET'],
  ]);
  watch.source.see('all');
  const [request, reply] = await ping();
  for (const path of [request, reply]) {
    expect(path).toMatchObject({ verdict: 'delivered', complete: true });
  }
  const losses = watch.source.losses();
  expect(losses).toEqual({
    'ring-full-hops': 0n,
    'ring-full-events': 0n,
    'slot-busy': 0n,
    'program-recursion': 0n,
  });
  expect(watch.source.lost()).toBe(0n);
});

it.skipIf(!links)('edges are the first and the last place of a hook', async () => {
  const all = ['prerouting -301', 'prerouting -151', 'prerouting -101', 'prerouting -99'];
  expect(atHooks((await ping())[0])).toEqual([...all, 'input 101']);
  watch.source.setDetail('edges');
  expect(atHooks((await ping())[0])).toEqual(['prerouting -301', 'prerouting -99', 'input 101']);
  watch.source.setDetail('all');
  expect(atHooks((await ping())[0])).toEqual([...all, 'input 101']);
});

/** Datagrams from LEFT to RIGHT, some 20,000 a second, and as many that say that nobody listens. */
async function flood(ms: number): Promise<void> {
  const script = `
    const { createSocket } = require('node:dgram');
    const end = performance.now() + ${ms};
    const socket = createSocket('udp4');
    const send = () => {
      if (performance.now() >= end) return socket.close();
      for (let i = 0; i < 30; i++) socket.send('x', 5353, '${RIGHT.address}');
      setTimeout(send, 1);
    };
    socket.on('error', () => undefined);
    send();
  `;
  await runIn(LEFT.netns, process.execPath, ['-e', script]);
}

it.skipIf(!links)(
  'where every packet is traced, heavy traffic is seen at the edges, and whole',
  async () => {
    const details = new Set<string>();
    const timer = setInterval(() => details.add(watch.source.sampling().detail), 20);
    await flood(1_500);
    clearInterval(timer);
    expect([...details]).toEqual(['all', 'edges']);
    await expect.poll(() => watch.source.sampling().detail, { timeout: 10_000 }).toBe('all');
    const cut = watch.paths.filter(({ hops }) => hops[0]?.tuple?.dport === 5353 && hops.length < 5);
    expect([cut.length, watch.paths.length > 10_000]).toEqual([0, true]);
    expect(watch.pipeline.joiner.counters.cutByWindow).toBe(0);
    expect(atHooks((await ping())[0])).toHaveLength(5);
  },
  30_000,
);

/** Asks the tracer itself, without the source's own timers. */
function tracerOf(): { tracer: Tracer; namespaces: ObservedNamespaces } {
  const namespaces = new ObservedNamespaces(NETNS);
  return {
    tracer: new Tracer({ objectFile: TRACER_OBJECT, ownPort: 0, namespaceFiltered: true }),
    namespaces,
  };
}

it.skipIf(!links)(
  'a place that another program has is tried again, and missing until then',
  async () => {
    await watch.pipeline.stop();
    const { tracer, namespaces } = tracerOf();
    const other = BpfObject.open(TRACER_OBJECT);
    for (const each of other.programs) each.setAutoload(LINK_PROGRAM_NAMES.includes(each.name));
    other.load();
    const taken: Link[] = [];
    try {
      await tracer.attach(namespaces.scan());
      const before = tracer.links;
      expect(tracer.missing).toEqual([]);
      const program = other.program(linkProgram(1));
      taken.push(
        program.attachNetfilter({
          ...{ family: 'ipv4', hook: 'forward', priority: 1, netns: `/run/netns/${RIGHT.netns}` },
        }),
      );
      await runIn(RIGHT.netns, 'nft', [
        'add table ip f; add chain ip f c { type filter hook forward priority 0; }; add chain ip f o { type filter hook output priority 0; }',
      ]);
      tracer.update(namespaces.scan());
      // Half of what is wanted is none of it, and what was attached before still is.
      expect(tracer.links).toBe(before);
      expect(tracer.missing).toEqual([
        expect.stringContaining(
          `netfilter hooks: another program has the priorities, in /run/netns/${RIGHT.netns}, since `,
        ),
      ]);
      for (const link of taken) link.close();
      await delay(60);
      tracer.update(namespaces.scan());
      expect(tracer.links).toBe(before + 4);
      expect(tracer.missing).toEqual([]);
    } finally {
      tracer.dispose();
      for (const link of taken) link.close();
      other.close();
      await runIn(RIGHT.netns, 'nft', ['delete table ip f']);
    }
  },
);

it.skipIf(!links)('a namespace that goes is left without a word, and forgotten', async () => {
  await watch.pipeline.stop();
  const { tracer, namespaces } = tracerOf();
  const going = 'hs-window-going';
  try {
    const here = namespaces.scan();
    await tracer.attach(here);
    const links = tracer.links;
    await runCommand('ip', ['netns', 'add', going]);
    const path = `/run/netns/${going}`;
    const number = readNamespace(path);
    const found = new Map(here).set(number.netns, { ...number, name: going, path });
    const key = new Uint8Array(Uint32Array.of(number.netns).buffer);
    tracer.update(found);
    expect(tracer.links).toBe(links + 2);
    expect(tracer.map('observed')?.get(key)).not.toBeNull();
    tracer.update(here);
    expect(tracer.links).toBe(links);
    expect(tracer.map('observed')?.get(key)).toBeNull();
    await runCommand('ip', ['netns', 'del', going]);
    // It was found, and went before it was entered.
    tracer.update(found);
    expect([tracer.links, tracer.missing]).toEqual([links, []]);
    tracer.update(here);
    expect([tracer.links, tracer.missing]).toEqual([links, []]);
  } finally {
    tracer.dispose();
    await runCommand('ip', ['netns', 'del', going]).catch(() => undefined);
  }
});

const PINGS = 1000;

it('a new object takes over without a gap, and nothing is seen twice', async () => {
  await watch.pipeline.stop();
  const { tracer, namespaces } = tracerOf();
  const seen = new Map<string, number>();
  const target = new Uint8Array(4 << 20);
  let ping: ChildProcess | null = null;
  try {
    await tracer.attach(namespaces.scan());
    const events = tracer.map('events');
    if (events === undefined) throw new Error('not attached');
    const ring = new RingBuffer(events);
    const paths: PathRecord[] = [];
    const pipeline = pipelineOn(paths);
    ping = spawn('ip', [
      ...['netns', 'exec', LEFT.netns, 'ping', '-n', '-q', '-i', '0.002'],
      ...['-c', String(PINGS), RIGHT.address],
    ]);
    const ended = once(ping, 'exit');
    for (let i = 0; i < 3; i++) {
      await delay(300);
      expect(await tracer.replace(namespaces.scan())).toBe(true);
    }
    await ended;
    await delay(100);
    for (let records = 1; records > 0; ) {
      const drained = ring.drain(target);
      records = drained.records;
      pipeline.batch(target, drained.bytes);
    }
    ring.close();
    pipeline.end();
    for (const { hops } of paths) {
      if (hops[0]?.tuple?.proto !== 'icmp') continue;
      const shape = hops
        .map(({ netns, stage, hook }) => `${netns} ${stage} ${hook}`)
        .filter((text) => !text.includes('deliver'))
        .join(', ');
      seen.set(shape, (seen.get(shape) ?? 0) + 1);
    }
  } finally {
    ping?.kill();
    tracer.dispose();
  }
  // A request and a reply have one shape each: a hop missing, or twice, would be another.
  const counts = [...seen.values()].sort((a, b) => b - a);
  expect(seen.size, [...seen].join('\n')).toBe(2);
  expect(counts[0]).toBe(PINGS);
  expect(counts[1]).toBe(PINGS);
});

/** Joins what it is given. */
function pipelineOn(paths: PathRecord[]): Pipeline {
  const source = new KernelSource({ objectFile: TRACER_OBJECT });
  const pipeline: Pipeline = new Pipeline(source, {
    namespaceFiltered: true,
    onPath: (finished) => paths.push(pipeline.pathRecord(finished)),
  });
  return pipeline;
}

/** Closes a tracer and empties its ring. */
function closed(tracer: Tracer): { ring: RingBuffer; counters: BpfMap } {
  const events = tracer.map('events');
  const counters = tracer.map('counters');
  if (events === undefined || counters === undefined) throw new Error('no maps');
  const ring = new RingBuffer(events);
  tracer.see('drops');
  tracer.flush();
  ring.drain(new Uint8Array(1 << 20));
  expect(ring.available()).toBe(0);
  return { ring, counters };
}

function pings(count: number): Promise<string> {
  const ping = ['ping', '-q', '-n', '-c', String(count), '-i', '0.002', RIGHT.address];
  return runIn(LEFT.netns, 'timeout', ['10', ...ping]);
}

/** To a port that nobody listens on. */
function datagram(): Promise<string> {
  return runIn(LEFT.netns, 'bash', ['-c', `echo > /dev/udp/${RIGHT.address}/9 || true`]);
}

it('the kernel itself closes it once so much waits in the ring, and still sees drops', async () => {
  const { tracer, namespaces } = tracerOf();
  const limit = 8_192;
  try {
    await tracer.attach(namespaces.scan());
    const { ring, counters } = closed(tracer);
    const before = process.hrtime.bigint();
    tracer.see('all', roomOf(limit));
    expect(tracer.shutAt()).toBeNull();
    await pings(60);
    const shutAt = tracer.shutAt() ?? 0n;
    expect(shutAt).toBeGreaterThan(before);
    expect(shutAt).toBeLessThan(process.hrtime.bigint());
    tracer.flush();
    const waiting = ring.available();
    // Each CPU may have had trails under way.
    expect(waiting).toBeGreaterThanOrEqual(limit);
    expect(waiting).toBeLessThan(4 * limit);
    const passed = sumOfCpus(counters, COUNTER_PASSED);
    await pings(60);
    tracer.flush();
    // A raw socket refuses a copy of each packet, which looks like a drop: it is one hop.
    expect(sumOfCpus(counters, COUNTER_PASSED) - passed).toBeLessThanOrEqual(2n * 60n);
    await datagram();
    expect(ring.available()).toBeGreaterThan(waiting);
    tracer.see('drops');
    tracer.see('all');
    expect(tracer.shutAt()).toBeNull();
    ring.close();
  } finally {
    tracer.dispose();
  }
});

it('of a window that is asked for, a flow has its share and leaves the rest to others', async () => {
  const { tracer, namespaces } = tracerOf();
  const share = 8_192;
  try {
    await tracer.attach(namespaces.scan());
    const { ring, counters } = closed(tracer);
    tracer.see('all', { limit: 1 << 20, fairFrom: share, share });
    await pings(200);
    tracer.flush();
    const ofOne = ring.available();
    const leftOut = sumOfCpus(counters, COUNTER_PAST_SHARE);
    expect(leftOut).toBeGreaterThan(0n);
    expect(tracer.shutAt()).toBeNull();
    // Each datagram is of a flow of its own; one in 64 shares its sum with the first.
    for (let sent = 0; sent < 4; sent++) await datagram();
    tracer.flush();
    expect(ring.available()).toBeGreaterThan(ofOne);
    ring.close();
  } finally {
    tracer.dispose();
  }
});
