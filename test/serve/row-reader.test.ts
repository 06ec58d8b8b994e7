import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Pipeline } from '../../src/pipeline.js';
import { flowRow } from '../../src/serve/flow-row.js';
import type { FlowRow } from '../../src/serve/protocol.js';
import { RowFeed } from '../../src/serve/row-feed.js';
import * as layout from '../../src/serve/row-layout.js';
import { readBatch } from '../../src/serve/row-reader.js';
import { Recording } from '../../src/source/recording.js';
import { ReplaySource } from '../../src/source/replay-source.js';

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
function rowsOf(pipeline: Pipeline): FlowRow[] {
  const feed = new RowFeed(pipeline.flows);
  feed.restart();
  const rows: FlowRow[] = [];
  for (;;) {
    const payload = feed.batch(0).slice();
    const batch = readBatch(payload, pipeline.names, pipeline.epoch.monotonicNs);
    if (batch.updates.length === 0) return rows;
    rows.push(...batch.updates.map(({ row }) => row));
  }
}

describe('a row across the channel says what the flow record says', () => {
  test.each(files)('%s', async (file) => {
    const pipeline = await played(file);
    const rows = rowsOf(pipeline);
    const records = pipeline.flows.changedSince(0).map((flow) => pipeline.flowRecord(flow));
    expect(rows.length).toBeGreaterThan(0);
    const byId = (one: FlowRow, other: FlowRow): number => (one.id < other.id ? -1 : 1);
    expect(rows.sort(byId)).toEqual(records.map(flowRow).sort(byId));
  });

  test('also where much of it is not as usual', async () => {
    const pipeline = await played(DEMO);
    const kinds = { type: 0, src: '', dst: '', vni: -1, overhead: 0 };
    for (const [index, flow] of pipeline.flows.changedSince(0).entries()) {
      flow.reasons.clear();
      flow.reasons.set(7, 1).set(9, 4).set(11, 4);
      flow.directions[0].drops = index % 3;
      flow.directions[1].bytes = 2 ** 45 + index;
      flow.lastVerdict = layout.VERDICTS[index % 4] ?? 'unknown';
      flow.state = layout.STATES[(index >> 2) % 4] ?? 'new';
      flow.icmpTooBigSeen = index % 2 === 0;
      flow.tooBigDropped = index % 5 === 0;
      flow.encapsulations.push({ ...kinds, type: 1, overhead: 50 });
      flow.encapsulations.push({ ...kinds, type: 1, overhead: 50, vni: 3 });
      flow.encapsulations.push({ ...kinds, type: 2, overhead: 65_000 });
    }
    const records = pipeline.flows.changedSince(0).map((flow) => pipeline.flowRecord(flow));
    const rows = new Map(rowsOf(pipeline).map((row) => [row.id, row]));
    expect(records.map(({ id }) => rows.get(id))).toEqual(records.map(flowRow));
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
    ['something behind it', head([0, 0], 8)],
  ])('is refused: %s', async (_name, payload) => {
    const { names } = await played(DEMO);
    expect(() => readBatch(payload, names, 0n)).toThrowError(/not as its header says/);
  });
});
