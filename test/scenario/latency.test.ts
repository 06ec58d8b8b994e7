import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FlowRecord, LegRecord, PathRecord, QualityRecord } from 'hopscope-protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCommand, runIn } from '../../src/lab/run-command.js';
import { Pipeline } from '../../src/pipeline.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { Capture } from './capture.js';
import type { Frame } from './frame.js';
import { missingNetem } from './missing.js';
import type { CapturedFrame } from './tcpdump-text.js';

/** A sender, a router whose second device delays, and a receiver. */
const [SENDER, ROUTER, RECEIVER] = ['hs-latency-a', 'hs-latency-r', 'hs-latency-b'] as const;
const TARGET = '198.51.100.2';
/** The device with the delay, and where a packet is met before and after it. */
const DELAYED = { netns: ROUTER, dev: 'out' } as const;
const BEFORE = `${ROUTER}/in`;
const AFTER = `${RECEIVER}/eth0`;

/** Documentation/admin-guide/sysctl/net.rst: 0 stamps a packet when it leaves the backlog. */
const STAMP_BEFORE_QUEUE = 'net.core.netdev_tstamp_prequeue';

const TRACER = fileURLToPath(new URL('../../dist/bpf/tracer.bpf.o', import.meta.url));
const PACKETS = 200;
/** What a packet's end waits for at most, and then some. */
const SETTLE_MS = 2_000;
const SHARE = 0.05;
const LEAST_NS = 20_000;

interface Case {
  readonly name: string;
  /** Arguments of netem; `null` for no queueing discipline at all. */
  readonly netem: readonly string[] | null;
  readonly delayNs: number;
}

const NONE: Case = { name: 'no delay', netem: null, delayNs: 0 };
const CASES: readonly Case[] = [
  { name: '100 µs', netem: ['delay', '100us'], delayNs: 100_000 },
  { name: '1 ms', netem: ['delay', '1ms'], delayNs: 1_000_000 },
  { name: '20 ms', netem: ['delay', '20ms'], delayNs: 20_000_000 },
  { name: '5 ms with jitter', netem: ['delay', '5ms', '1ms'], delayNs: 5_000_000 },
];

/** Medians, nanoseconds. */
interface Measured {
  /** Of each leg of the way there, by its place. */
  readonly legs: ReadonlyMap<string, number>;
  /** From the device before to the device after, by hopscope and by tcpdump. */
  readonly said: number;
  readonly seen: number;
  /** From the device after to the answer on it, by tcpdump. */
  readonly answering: number;
}

await remove();
await makeChain();
const missing = await missingNetem(ROUTER);
// Of a file with nothing to run, no hook is run either.
if (missing !== null) await remove();

describe.skipIf(missing !== null)(missing ?? 'the truth of latency', () => {
  let paths: PathRecord[] = [];
  let pipeline: Pipeline;
  let capture: Capture;
  /** Without delay, the last time. */
  let base: Measured;
  let stampedBefore = '';

  beforeAll(async () => {
    // tcpdump's stamps where hopscope's are, at the receipt and not at the queue before it.
    stampedBefore = (await runCommand('sysctl', ['-n', STAMP_BEFORE_QUEUE])).trim();
    await runCommand('sysctl', ['-q', '-w', `${STAMP_BEFORE_QUEUE}=0`]);
    pipeline = new Pipeline(
      new KernelSource({ objectFile: TRACER, netns: [SENDER, ROUTER, RECEIVER] }),
      { namespaceFiltered: true, onPath: (finished) => paths.push(pipeline.pathRecord(finished)) },
    );
    await pipeline.start();
    capture = new Capture();
    await capture.cover([BEFORE, AFTER]);
    // The first packets find neither routes nor neighbours in any cache.
    await measure(NONE);
    base = await measure(NONE);
  });
  afterAll(async () => {
    await capture?.stop();
    await pipeline?.stop();
    if (stampedBefore === '') return;
    await runCommand('sysctl', ['-q', '-w', `${STAMP_BEFORE_QUEUE}=${stampedBefore}`]);
  });

  it.each(CASES)(
    '$name on one device is the time after its egress hop, and no other',
    // A busy machine delays by itself; what it did to one measurement it need not to another.
    { retry: 4 },
    async (one) => {
      const bases = [base];
      const measured = await measure(one);
      base = await measure(NONE);
      bases.push(base);
      // A timer may be late and never early; how late, tcpdump shows.
      const added = (of: (from: Measured) => number): number => {
        // Without delay the machine does not take the same time twice either.
        const least = Math.min(...bases.map(of));
        const most = Math.max(...bases.map(of));
        return of(measured) < least ? of(measured) - least : Math.max(0, of(measured) - most);
      };
      const seen = added((from) => from.seen);
      const tolerance = Math.max(SHARE * Math.max(one.delayNs, seen), LEAST_NS);
      const apart = added((from) => from.said - from.seen);
      expect(Math.abs(apart), `of ${seen} ns seen`).toBeLessThan(tolerance);
      const delayed = `${AFTER} ingress`;
      expect(added(legAt(delayed))).toBeGreaterThan(one.delayNs - tolerance);
      // A processor that a timer has just woken finds its caches cold, and everything after
      // the delay takes longer for it: as much as tcpdump sees there.
      const waking = Math.max(
        0,
        added((from) => from.answering),
      );
      for (const place of measured.legs.keys()) {
        if (place === delayed) continue;
        const allowed = place.startsWith(RECEIVER) ? tolerance + waking : tolerance;
        expect(Math.abs(added(legAt(place))), `${place}, ${waking} ns of waking`).toBeLessThan(
          allowed,
        );
      }
    },
  );

  async function measure({ netem }: Case): Promise<Measured> {
    const tc = ['qdisc', 'replace', 'dev', DELAYED.dev, 'root'];
    await runIn(DELAYED.netns, 'tc', [
      ...tc,
      ...(netem === null ? ['noqueue'] : ['netem', 'limit', '10000', ...netem]),
    ]);
    await capture.begin([BEFORE, AFTER]);
    paths = [];
    const version = pipeline.flows.version;
    const before = pipeline.quality();
    await runIn(SENDER, 'ping', ['-q', '-i', '0.01', '-c', `${PACKETS}`, '-W', '2', TARGET]);
    const frames = await capture.frames([BEFORE, AFTER]);
    await delay(SETTLE_MS);
    const quality = pipeline.quality();
    const why = JSON.stringify(quality.losses);
    expect(quality.evicted, why).toBe('0');
    expect(lostOtherwise(quality), why).toBe(lostOtherwise(before));
    expect(leftOut(quality) - leftOut(before), why).toBeLessThan(PACKETS / 10);
    const mine = pipeline.flows
      .changedSince(version)
      .map((flow) => pipeline.flowRecord(flow))
      .filter(({ original }) => original.dst === TARGET);
    const there = paths.filter(
      (path) => path.direction === 'original' && path.hops[0]?.tuple?.dst === TARGET,
    );
    expect(there.length).toBe(PACKETS);
    return {
      legs: legsOf(mine.at(-1)),
      said: median(there.map(throughRouter)),
      seen: median(between(frames, REQUEST_BEFORE, REQUEST_AFTER)),
      answering: median(between(frames, REQUEST_AFTER, ANSWER_AFTER)),
    };
  }
});

afterAll(remove);

/**
 * Runs that the kernel left out, since each interrupted the same program. Before Linux 6.4 that may
 * happen at each hook, where a delayed packet comes out just when the next one is sent: medians do
 * not feel a few, and each ping has its path all the same.
 */
function leftOut({ losses }: QualityRecord): number {
  return Number(losses['program-recursion'] ?? 0);
}

function lostOtherwise(quality: QualityRecord): number {
  return Number(quality.lost) - leftOut(quality);
}

function legsOf(flow: FlowRecord | undefined): Map<string, number> {
  const legs = (flow?.legs ?? []).filter(({ direction }) => direction === 'original');
  return new Map(
    legs.flatMap((leg) => (leg.latencyNs === null ? [] : [[placeOf(leg), leg.latencyNs.p50]])),
  );
}

function legAt(place: string): (measured: Measured) => number {
  return ({ legs }) => legs.get(place) ?? Number.NaN;
}

function placeOf({ netns, dev, stage, hook }: LegRecord): string {
  return hook === null ? `${netns}/${dev} ${stage}` : `${netns} ${hook}`;
}

/** Nanoseconds from coming in on the router to coming in on the receiver. */
function throughRouter({ hops }: PathRecord): number {
  const from = hops.findIndex(
    ({ netns, dev, stage }) => `${netns}/${dev} ${stage}` === `${BEFORE} ingress`,
  );
  const to = hops.findIndex(
    ({ netns, dev, stage }) => `${netns}/${dev} ${stage}` === `${AFTER} ingress`,
  );
  expect(Math.min(from, to)).toBeGreaterThan(-1);
  return hops.slice(from + 1, to + 1).reduce((sum, { sincePrevNs }) => sum + (sincePrevNs ?? 0), 0);
}

type Sight = readonly [place: string, stage: Frame['stage'], icmpType: number];

const REQUEST_BEFORE: Sight = [BEFORE, 'ingress', 8];
const REQUEST_AFTER: Sight = [AFTER, 'ingress', 8];
const ANSWER_AFTER: Sight = [AFTER, 'egress', 0];

/** Nanoseconds between two sights of every ping, by tcpdump's stamps. */
function between(frames: readonly CapturedFrame[], first: Sight, second: Sight): number[] {
  const at = ([place, stage, icmpType]: Sight): Map<number, bigint> =>
    new Map(
      frames
        .filter(({ frame }) => frame.place === place && frame.stage === stage)
        .filter(({ frame }) => frame.icmp?.type === icmpType)
        .map(({ time, frame }) => [frame.icmp?.seq ?? -1, time]),
    );
  const ends = at(second);
  const times = [...at(first)].map(([seq, time]) => Number((ends.get(seq) ?? 0n) - time));
  expect(times.length).toBe(PACKETS);
  return times;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

async function makeChain(): Promise<void> {
  for (const netns of [SENDER, ROUTER, RECEIVER]) {
    await runCommand('ip', ['netns', 'add', netns]);
    await runIn(netns, 'sysctl', ['-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1']);
  }
  const link = (netns: string, dev: string): string[] => [
    'eth0',
    'netns',
    netns,
    'type',
    'veth',
    'peer',
    'name',
    dev,
    'netns',
    ROUTER,
  ];
  await runCommand('ip', ['link', 'add', ...link(SENDER, 'in')]);
  await runCommand('ip', ['link', 'add', ...link(RECEIVER, 'out')]);
  const addresses: readonly (readonly [string, string, string])[] = [
    [SENDER, 'eth0', '192.0.2.2/24'],
    [ROUTER, 'in', '192.0.2.1/24'],
    [ROUTER, 'out', '198.51.100.1/24'],
    [RECEIVER, 'eth0', `${TARGET}/24`],
  ];
  for (const [netns, dev, address] of addresses) {
    await runIn(netns, 'ip', ['address', 'add', address, 'dev', dev]);
    await runIn(netns, 'ip', ['link', 'set', dev, 'up']);
  }
  await runIn(ROUTER, 'sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
  await runIn(SENDER, 'ip', ['route', 'add', 'default', 'via', '192.0.2.1']);
  await runIn(RECEIVER, 'ip', ['route', 'add', 'default', 'via', '198.51.100.1']);
}

async function remove(): Promise<void> {
  for (const netns of [SENDER, ROUTER, RECEIVER]) {
    await runCommand('ip', ['netns', 'del', netns]).catch(() => undefined);
  }
}
