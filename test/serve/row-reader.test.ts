import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { FlowRecord, FlowRow } from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { ChannelError } from '../../src/channel/frame.js';
import { flowRecord } from '../../src/export/flow-record.js';
import { ORIGINAL, REPLY } from '../../src/flow/direction-index.js';
import type { FlowTable } from '../../src/flow/flow-table.js';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Names } from '../../src/name/names.js';
import { Pipeline } from '../../src/pipeline.js';
import { flowRow } from '../../src/serve/flow-row.js';
import { RowFeed } from '../../src/serve/row-feed.js';
import * as layout from '../../src/serve/row-layout.js';
import { readBatch } from '../../src/serve/row-reader.js';
import { Recording } from '../../src/source/recording.js';
import { ReplaySource } from '../../src/source/replay-source.js';
import { Epoch } from '../../src/wire/clock.js';
import { AT_POD1, AT_POD3, Connection } from '../fixtures/connection.js';
import { Joining } from '../fixtures/joined.js';
import { ADDRESSES } from '../fixtures/places.js';
import { TAPE_START, Tape } from '../fixtures/tape.js';

const NAMES = new Names(EMPTY_CATALOG);
const RECORDINGS = fileURLToPath(new URL('../recordings/', import.meta.url));
const DEMO = fileURLToPath(new URL('../../src/source/demo-recording.hops.gz', import.meta.url));
const files = [
  DEMO,
  ...readdirSync(RECORDINGS)
    .filter((name) => name.endsWith('.hops.gz'))
    .map((name) => RECORDINGS + name),
];

async function played(file: string): Promise<Pipeline> {
  const source = new ReplaySource(Recording.read(file), { paced: false });
  const pipeline = new Pipeline(source);
  await pipeline.start();
  await source.finished;
  return pipeline;
}

/** All rows as they come out of the channel. */
function rowsOf(flows: FlowTable, names: Names, epochNs: bigint): FlowRow[] {
  const feed = new RowFeed(flows);
  feed.restart();
  const rows: FlowRow[] = [];
  for (;;) {
    const payload = feed.batch(0).slice();
    const batch = readBatch(payload, names, epochNs);
    if (batch.updates.length === 0) return rows;
    rows.push(...batch.updates.map(({ row }) => row));
  }
}

/** Flows that differ in all a row has, also where packets of a test would not bring it about. */
function unusualFlows(): Joining {
  const tape = new Tape();
  const pods = { proto: 'tcp', src: ADDRESSES.pod1, from: AT_POD1, dport: 80 } as const;
  for (let sport = 1000; sport < 1040; sport += 1) {
    const plan = { ...pods, sport, dst: ADDRESSES.pod3, to: AT_POD3, tunnelled: true };
    const dnat = { dst: ADDRESSES.pod3, dport: 80 };
    const snat = { src: ADDRESSES.node111, sport };
    const connection = new Connection(tape, {
      ...plan,
      ...(sport % 2 === 0 ? { dst: ADDRESSES.service, dport: 8080, dnat } : {}),
      ...(sport % 3 === 0 ? { snat } : {}),
      ctAddress: 0xffff_8880_1000_0000n + BigInt(sport * 256),
    });
    connection.send('original', { flags: 'S' }).free();
    if (sport % 4 > 0) connection.send('reply').free();
    if (sport % 5 > 2) connection.send('original', { flags: 'F' }).free();
    if (sport % 5 > 3) connection.send('reply', { flags: 'F' }).free();
  }
  const joining = new Joining().end(tape);
  for (const [index, flow] of joining.allFlows().entries()) {
    const traced = flow.makeTraced();
    const original = traced.direction(ORIGINAL) ?? traced.makeDirection(ORIGINAL);
    const reply = traced.direction(REPLY) ?? traced.makeDirection(REPLY);
    traced.reasons = new Map([
      [7, 1],
      [9, 4],
      [11, 4],
    ]);
    original.drops = index % 3;
    reply.bytes = 2 ** 45 + index;
    traced.lastVerdict = layout.VERDICTS[index % 4] ?? 'unknown';
    traced.icmpTooBigSeen = index % 2 === 0;
    traced.blackholeSeen = index % 5 === 0;
    if (index % 7 === 0) {
      const tunnel = { type: 1, src: '', dst: '', vni: -1, greKey: -1, overhead: 50 };
      traced.encapsulations = [tunnel, { ...tunnel, vni: 3 }, { ...tunnel, overhead: 65_000 }];
    }
  }
  return joining;
}

describe('a row across the channel says what the flow record says', () => {
  test.each(files)('%s', async (file) => {
    const pipeline = await played(file);
    const rows = rowsOf(pipeline.flows, pipeline.names, pipeline.epoch.monotonicNs);
    const records = pipeline.flows.changedSince(0).map((flow) => pipeline.flowRecord(flow));
    expect(rows.length).toBeGreaterThan(0);
    const byId = (one: FlowRow, other: FlowRow): number => (one.id < other.id ? -1 : 1);
    expect(rows.sort(byId)).toEqual(records.map(flowRow).sort(byId));
  });

  test('also where much of it is not as usual', () => {
    const joining = unusualFlows();
    const epoch = new Epoch(TAPE_START);
    const records = joining.allFlows().map((flow) => flowRecord(flow, NAMES, epoch));
    const rows = new Map(rowsOf(joining.flows, NAMES, TAPE_START).map((row) => [row.id, row]));
    expect(records.map(({ id }) => rows.get(id))).toEqual(records.map(flowRow));
    const seen = <T>(of: (record: FlowRecord) => T): unknown[] => [...new Set(records.map(of))];
    expect(seen(({ state }) => state).sort()).toEqual([...layout.STATES].sort());
    expect(seen(({ verdict }) => verdict).sort()).toEqual([...layout.VERDICTS].sort());
    expect(seen(({ nat }) => nat.dnat?.dport)).toEqual(expect.arrayContaining([undefined, 80]));
    expect(seen(({ nat }) => nat.snat?.src)).toContain(ADDRESSES.node111);
    expect(seen(({ encapsulation }) => encapsulation.length)).toContain(3);
  });
});

describe('a batch that is not as its header says', () => {
  const head = (words: readonly number[], bytes: number): Uint8Array => {
    const payload = new Uint8Array(layout.BATCH_BYTES + bytes);
    new Uint32Array(payload.buffer).set(words);
    return payload;
  };
  test.each([
    ['shorter than a header', new Uint8Array(layout.BATCH_BYTES - 8)],
    ['a row less', head([2, 0], layout.ROW_BYTES)],
    ['an id less', head([0, 2], 8)],
    ['more rows than there are', head([0xffff_ffff, 0], layout.ROW_BYTES)],
    ['something after it', head([0, 0], 8)],
  ])('is refused: %s', (_name, payload) => {
    expect(() => readBatch(payload, NAMES, 0n)).toThrowError(/not as its header says/);
  });

  test.each([
    ['time', layout.ROW_START, Number.NaN],
    ['time', layout.ROW_LAST, Number.POSITIVE_INFINITY],
    ['count', layout.ROW_PACKETS, 0.5],
    ['count', layout.ROW_BYTE_COUNTS, Number.NaN],
    ['count', layout.ROW_DROPS, -1],
  ])('is refused with a %s that is none', (_name, field, value) => {
    const payload = head([1, 0], layout.ROW_BYTES);
    expect(readBatch(payload, NAMES, 0n).updates).toHaveLength(1);
    new Float64Array(payload.buffer)[layout.BATCH_WORDS / 2 + field] = value;
    expect(() => readBatch(payload, NAMES, 0n)).toThrowError(ChannelError);
  });
});
