import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FlowRecord, PathRecord } from 'hopscope-protocol';
import { afterAll, expect, it, vi } from 'vitest';
import { Pipeline } from '../../src/pipeline.js';
import { Recording } from '../../src/source/recording.js';
import { layoutFingerprint } from '../../src/source/recording-format.js';
import { RecordingWriter } from '../../src/source/recording-writer.js';
import { ReplaySource } from '../../src/source/replay-source.js';
import { SIZEOF_DEVICE } from '../../src/wire/layout.gen.js';
import { CLUSTER } from '../fixtures/catalog.js';
import { flowFaults, pathFaults } from '../fixtures/contract.js';
import { POD1_ETH0 } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';
import { Collector } from './collector.js';

const SHIPPED = fileURLToPath(new URL('../../src/source/demo-recording.hops.gz', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hopscope-replay-unit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TICK = 1_000_000_000n;

/** A recording of two moments with batches between them. */
function recordingOf(...batches: readonly Uint8Array[]): Recording {
  const file = join(folder, 'test.hops');
  const header = { layout: layoutFingerprint(), epochNs: '1', kernel: '6', missing: ['before'] };
  const writer = new RecordingWriter(file, { format: 1, ...header });
  writer.catalog(CLUSTER);
  writer.tick(TICK);
  for (const batch of batches) writer.batch(batch, batch.length);
  writer.tick(TICK + 20_000_000n);
  writer.finish({ lost: '3', own: '4', symbols: [['4096', 'ip_error']], missing: ['after'] });
  return Recording.read(file);
}

async function played(source: ReplaySource, events: number): Promise<string[]> {
  const collector = new Collector();
  await source.start(collector);
  await expect.poll(() => collector.events.length).toBeGreaterThanOrEqual(events);
  await source.stop();
  return collector.events;
}

it('says what was seen when, again with times moved on', async () => {
  const file = join(folder, 'windows.hops');
  const header = { layout: layoutFingerprint(), epochNs: '1', kernel: '6', missing: [] };
  const writer = new RecordingWriter(file, { format: 1, ...header });
  writer.window(TICK - 5n, 'all', 'all');
  writer.tick(TICK);
  writer.window(TICK + 7n, 'drops', 'edges');
  writer.detail(TICK + 9n, 'all');
  writer.window(TICK + 11n, 'new-flows', 'edges');
  writer.tick(TICK + 20_000_000n);
  writer.finish({ lost: '0', own: '0', symbols: [] });
  const source = new ReplaySource(Recording.read(file), { paced: false, loop: true });
  const [first, , second, third, fourth, , again] = await played(source, 7);
  expect([first, second, third, fourth]).toEqual([
    `window ${TICK - 5n} all all`,
    `window ${TICK + 7n} drops edges`,
    `detail ${TICK + 9n} all`,
    `window ${TICK + 11n} new-flows edges`,
  ]);
  expect(again).toBe(`window ${TICK - 5n + 1_020_000_000n} all all`);
});

it('gives what was recorded, in order, and ends once', async () => {
  const source = new ReplaySource(recordingOf(Uint8Array.of(1, 2)), { paced: false });
  expect([source.epochNs, source.lost(), source.own()]).toEqual([1n, 3n, 4n]);
  expect(source.missing).toEqual(['before', 'after']);
  expect([source.symbol(4096n), source.symbol(4097n)]).toEqual(['ip_error', null]);
  expect(source.catalog).toEqual(CLUSTER);
  expect(await played(source, 5)).toEqual([
    'catalog machine',
    `tick ${TICK}`,
    'batch 0102',
    `tick ${TICK + 20_000_000n}`,
    'end',
  ]);
});

it('moves times on when it begins again, and leaves what is recorded as it is', async () => {
  const tape = new Tape();
  tape.packet({ proto: 'udp', src: '10.0.0.1', dst: '10.0.0.2' }).egress(POD1_ETH0).free();
  const recording = recordingOf(tape.batch());
  const source = new ReplaySource(recording, { paced: true, loop: true });
  const events = await played(source, 8);
  const [first, second] = events
    .filter((event) => event.startsWith('batch'))
    .map((event) => Buffer.from(event.slice(6), 'hex'));
  const shift = 20_000_000n + 1_000_000_000n;
  expect(events.filter((event) => event.startsWith('tick'))[2]).toBe(`tick ${TICK + shift}`);
  // Time is 8 bytes into a record, and that 8 bytes into its frame.
  const afterDevice = 8 + SIZEOF_DEVICE;
  for (const frame of [0, afterDevice]) {
    const at = frame + 16;
    expect(second?.readBigUInt64LE(at)).toBe((first?.readBigUInt64LE(at) ?? 0n) + shift);
    second?.writeBigUInt64LE(first?.readBigUInt64LE(at) ?? 0n, at);
  }
  expect(second).toEqual(first);
  expect(Buffer.from(tape.batch())).toEqual(first);
});

it.each([
  ['longer than its batch', [0xf8, 0xff, 0xff, 0xff]],
  ['near the limit of its field', [0xff, 0xff, 0xff, 0x7f]],
  ['too short for a time', [8, 0, 0, 0]],
  ['empty', [0, 0, 0, 0]],
])('goes on after a frame %s', async (_, length) => {
  const hostile = new Uint8Array(64);
  hostile.set(length);
  const source = new ReplaySource(recordingOf(hostile), { paced: true, loop: true });
  const events = await played(source, 8);
  expect(events.filter((event) => event.startsWith('batch')).length).toBeGreaterThan(1);
});

it('keeps no more of a silence than the longest pause, however often the clock ticks in it', async () => {
  const file = join(folder, 'quiet.hops');
  const header = { layout: layoutFingerprint(), epochNs: '1', kernel: '6', missing: [] };
  const writer = new RecordingWriter(file, { format: 1, ...header });
  for (let tick = 0; tick < 1000; tick++) writer.tick(TICK + BigInt(tick) * 20_000_000n);
  writer.batch(Uint8Array.of(1), 1);
  writer.finish({ lost: '0', own: '0', symbols: [] });
  vi.useFakeTimers();
  try {
    const source = new ReplaySource(Recording.read(file), { paced: true });
    const collector = new Collector();
    await source.start(collector);
    await vi.advanceTimersByTimeAsync(1_990);
    expect(collector.events).not.toContain('batch 01');
    await vi.advanceTimersByTimeAsync(20);
    expect(collector.events).toContain('batch 01');
    expect(collector.events.filter((event) => event.startsWith('tick')).length).toBe(1000);
  } finally {
    vi.useRealTimers();
  }
});

it('stops in a pause at once', async () => {
  const source = new ReplaySource(recordingOf(), { paced: true });
  const collector = new Collector();
  await source.start(collector);
  await source.stop();
  expect(collector.events.at(-1)).toBe('end');
  await source.stop();
  expect(collector.events.filter((event) => event === 'end')).toEqual(['end']);
});

it('plays what the project ships, to flows of every kind it shows', async () => {
  const recording = Recording.read(SHIPPED);
  expect(recording.finished).toBe(true);
  const source = new ReplaySource(recording, { paced: false });
  const paths: PathRecord[] = [];
  const flows = new Map<string, FlowRecord>();
  const pipeline: Pipeline = new Pipeline(source, {
    onPath: (finished) => paths.push(pipeline.pathRecord(finished)),
    onFlowEnd: (flow) => flows.set(flow.id, pipeline.flowRecord(flow)),
  });
  await pipeline.start();
  await source.finished;
  for (const flow of pipeline.flows.changedSince(0)) flows.set(flow.id, pipeline.flowRecord(flow));
  const all = [...flows.values()];

  expect(paths.flatMap((path) => pathFaults(JSON.stringify(path)))).toEqual([]);
  expect(all.flatMap((flow) => flowFaults(JSON.stringify(flow)))).toEqual([]);
  expect(pipeline.quality()).toMatchObject({ lost: '0', evicted: '0', malformed: {} });

  const toService = all.filter(({ service }) => service === 'default/nginx-service');
  expect(toService.some(({ src, nat }) => src.name === 'pod1' && nat.dnat !== null)).toBe(true);
  const far = toService.find(({ dst }) => dst.name === 'pod3');
  expect(far?.encapsulation.map(({ type }) => type)).toContain('ipip');
  const dropped = all.filter(({ drops }) => drops.reasons['NETFILTER_DROP'] !== undefined);
  expect(dropped.length).toBeGreaterThan(0);
  for (const path of paths.filter(({ drop }) => drop?.reason === 'NETFILTER_DROP')) {
    expect(path.verdict).toBe('dropped');
    expect([path.drop?.hook, path.drop?.table, path.drop?.location]).not.toContain(null);
  }
  const protocols = new Set(all.map(({ original }) => original.proto));
  expect([...protocols].sort()).toEqual(['icmp', 'tcp', 'udp']);
  for (const verdict of ['delivered', 'dropped'] as const) {
    expect(paths.some((path) => path.verdict === verdict)).toBe(true);
  }
}, 60_000);
