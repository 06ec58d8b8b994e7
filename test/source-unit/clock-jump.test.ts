import { expect, it } from 'vitest';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Pipeline } from '../../src/pipeline.js';
import { Epoch } from '../../src/wire/clock.js';
import * as layout from '../../src/wire/layout.gen.js';
import { FRAME_HEADER } from '../../src/wire/record-cursor.js';
import { RecordQueue } from '../../src/wire/record-queue.js';
import { noSource } from '../fixtures/no-source.mjs';

const FRAME = FRAME_HEADER + ((layout.SIZEOF_CONNECT + 7) & ~7);

/** Records that each begin a while after the one before, as no kernel's do. */
function farApart(count: number, apart: bigint): Uint8Array {
  const bytes = new Uint8Array(count * FRAME);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    const at = i * FRAME;
    view.setUint32(at, layout.SIZEOF_CONNECT, true);
    view.setUint16(at + FRAME_HEADER + layout.HEADER_TYPE, layout.RECORD_CONNECT, true);
    view.setUint16(at + FRAME_HEADER + layout.HEADER_SIZE, layout.SIZEOF_CONNECT, true);
    view.setBigUint64(at + FRAME_HEADER + layout.HEADER_TIME, BigInt(i + 1) * apart, true);
  }
  return bytes;
}

function milliseconds(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}

it('joins what waits also where the clock of a recording jumps centuries', () => {
  const pipeline = new Pipeline(noSource(1n, EMPTY_CATALOG));
  const batch = farApart(2_000, 2n ** 52n);
  pipeline.tick(1n);
  pipeline.batch(batch, batch.length);
  expect(milliseconds(() => pipeline.tick(2n ** 64n - 1n))).toBeLessThan(2_000);
  expect(pipeline.joiner.counters.events).toBe(2_000);
});

it('gives out records that lie far apart in the time it takes to sort them', () => {
  const count = 100_000;
  const queue = new RecordQueue(new Epoch(0n));
  const batch = farApart(count, 2n ** 40n);
  queue.add(batch, batch.length);
  let last = Number.NEGATIVE_INFINITY;
  let inOrder = 0;
  const took = milliseconds(() =>
    queue.flush((record) => {
      if (record.time > last) inOrder += 1;
      last = record.time;
    }),
  );
  expect(inOrder).toBe(count);
  expect(took).toBeLessThan(5_000);
});
