import { expect, it } from 'vitest';
import { Epoch } from '../../src/wire/clock.js';
import * as layout from '../../src/wire/layout.gen.js';
import { FRAME_HEADER, RecordCursor } from '../../src/wire/record-cursor.js';
import { BATCHES, RECORDS } from './batches.js';
import { campaign } from './campaign.js';
import { GuardedView } from './guarded-view.js';

const FIELDS = Object.entries(layout).filter(
  ([name]) => name.startsWith('HOP_CT_') === false && name.startsWith('HOP_'),
);

it('reads every good record of a batch', () => {
  const all = new Uint8Array(Buffer.concat(RECORDS));
  const cursor = new RecordCursor(new Epoch(5_000_000_000n));
  cursor.borrow(all, all.length);
  let count = 0;
  while (cursor.next()) {
    expect(cursor.time).toBe(123);
    count++;
  }
  expect(count).toBe(RECORDS.length);
  expect(Object.values(cursor.malformed).every((value) => value === 0)).toBe(true);
});

it('reads any batch', async () => {
  const cursor = new RecordCursor(new Epoch(5_000_000_000n));
  let records = 0;
  let refused = 0;
  await campaign('wire', BATCHES, (input, random) => {
    const batch = new Uint8Array(input.length + 64).fill(1);
    batch.set(input);
    cursor.borrow(batch, input.length);
    cursor.view = new GuardedView(batch, 0, input.length);
    const before = refusals(cursor);
    const first = cursor.records;
    let end = 0;
    let turns = 0;
    while (cursor.next()) {
      if (++turns > input.length / FRAME_HEADER) throw new Error('more records than fit');
      if (cursor.offset < end + FRAME_HEADER) throw new Error('a record begins in another');
      const size = cursor.view.getUint32(cursor.offset - FRAME_HEADER, true);
      end = cursor.offset + size;
      if (end > input.length) throw new Error(`record ends at ${end} of ${input.length}`);
      if (!Number.isSafeInteger(cursor.skb) || cursor.skb < 0) throw new Error('skb');
      if (!Number.isFinite(cursor.time)) throw new Error('time');
      if (cursor.type === layout.RECORD_HOP || cursor.type === layout.RECORD_HOP_CT) {
        const snap = cursor.u16(layout.HOP_SNAP_LEN);
        if (cursor.offset + layout.HOP_SNAP + snap > end)
          throw new Error('snap outside its record');
        for (const [, field] of FIELDS) cursor.u8(field);
        cursor.text(layout.HOP_DEV, 16);
        cursor.text(layout.HOP_KIND, 16);
        if (typeof cursor.location !== 'bigint') throw new Error('location');
      }
    }
    if (cursor.next()) throw new Error('more records after the end');
    if (cursor.records - first !== turns) throw new Error('records are miscounted');
    records += turns;
    refused += refusals(cursor) - before;
    // The next batch may be of the same memory, as a ring buffer's is.
    if (random.below(2) === 0) cursor.borrow(batch, 0);
  });
  expect(records).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
});

function refusals(cursor: RecordCursor): number {
  return Object.values(cursor.malformed).reduce((sum, count) => sum + count, 0);
}
