import { Epoch } from '../../../src/wire/clock.js';
import * as layout from '../../../src/wire/layout.gen.js';
import { FRAME_HEADER, RecordCursor, recordError } from '../../../src/wire/record-cursor.js';
import { RecordQueue } from '../../../src/wire/record-queue.js';
import { TrailCursor } from '../../../src/wire/trail-cursor.js';
import { GuardedView } from '../guarded-view.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const EPOCH = new Epoch(5_000_000_000n);

/** Batches of records as they are drained from the kernel's ring. */
export const RECORDS_TARGET: Target = {
  name: 'records',
  kind: 'bytes',
  longest: 2048,
  era: null,
  lanes: 1,
  leastGood: 0.3,
  begin: () => new RecordsEra(),
};

class RecordsEra implements Era {
  good = 0;
  readonly #queue = new RecordQueue(EPOCH);
  readonly #trail = new TrailCursor();

  check(input: Uint8Array, random: Random): void {
    const queue = this.#queue;
    const batch = new Uint8Array(input.length + 64).fill(1);
    batch.set(input);
    const expected = goodRecords(input);
    const [before, refused] = [queue.records, refusals(queue)];
    queue.add(batch, input.length);
    // The next batch may be of the same memory, as a ring buffer's is.
    batch.fill(0xff);
    if (queue.waiting !== expected.good.length) throw new Error('records are lost or made up');
    if (refusals(queue) - refused !== expected.bad) throw new Error('refusals are miscounted');
    let newest = Number.NEGATIVE_INFINITY;
    let whole = 0;
    const given: string[] = [];
    const take = (record: RecordCursor): void => {
      if (!Number.isSafeInteger(record.skb) || record.skb < 0) throw new Error('skb');
      if (!Number.isFinite(record.time)) throw new Error('time');
      if (record.type !== layout.RECORD_DEVICE) {
        if (record.time < newest) throw new Error('out of order');
        newest = record.time;
      }
      given.push(text(record.bytes.subarray(record.offset, record.end)));
      if (record.type === layout.RECORD_TRAIL) {
        readTrail(this.#trail, record);
        if (this.#trail.error === null) whole += 1;
      }
    };
    // Some of them, and then the rest, is no more and no less than all.
    if (random.below(2) === 0) {
      queue.release(random.below(1000), take);
      newest = Number.NEGATIVE_INFINITY;
    }
    queue.flush(take);
    if (queue.records - before !== expected.good.length) throw new Error('records are miscounted');
    if (given.sort().join() !== expected.good.sort().join()) throw new Error('bytes have changed');
    if (queue.byteLength !== 0 || queue.waiting !== 0) throw new Error('something is kept');
    if (whole > 0) this.good += 1;
  }
}

/** Reads all there is of a trail, within its bounds; how many hops there were. */
function readTrail(trail: TrailCursor, record: RecordCursor): number {
  const { offset, end } = record;
  const guarded = new RecordCursor(EPOCH);
  guarded.set(record.view, record.bytes, offset, end - offset);
  guarded.view = new GuardedView(record.bytes as Uint8Array<ArrayBuffer>, offset, end);
  trail.begin(guarded);
  let hops = 0;
  while (trail.next()) {
    if (++hops > trail.hops) throw new Error('more hops than the record says');
    if (trail.error !== null) throw new Error('goes on after an error');
    if (trail.stage < layout.STAGE_EGRESS || trail.stage > layout.STAGE_DROP)
      throw new Error('stage');
    if (trail.snapshot >= 0) {
      const length = trail.snapshotU16(layout.SNAPSHOT_LENGTH);
      if (length > layout.LENGTH_SNAPSHOT) throw new Error('long snapshot');
      if (trail.bytes + length > end) throw new Error('snapshot outside its record');
      if (!Number.isSafeInteger(trail.head)) throw new Error('head');
    }
    if (trail.link >= 0) guarded.view.getUint8(trail.link + layout.LENGTH_LINK - 1);
    if (trail.conntrack >= 0) trail.view.getUint8(trail.conntrack + layout.CONNTRACK_PROTONUM);
    if (typeof trail.dropLocation !== 'bigint' || trail.dropReason < 0) throw new Error('drop');
    if ((trail.flags & layout.HOP_DELIVER) !== 0 && !Number.isSafeInteger(trail.deliverSock))
      throw new Error('sock');
  }
  if (trail.next()) throw new Error('more hops after the end');
  if (trail.error === null && hops !== trail.hops) throw new Error('hops are missing in silence');
  return hops;
}

/** What is in a batch, by another reading of its frames. */
function goodRecords(input: Uint8Array): { good: string[]; bad: number } {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const good: string[] = [];
  let bad = 0;
  let at = 0;
  while (at < input.length) {
    const size = at + FRAME_HEADER > input.length ? Infinity : view.getUint32(at, true);
    const start = at + FRAME_HEADER;
    if (start + size > input.length) return { good, bad: bad + 1 };
    if (recordError(view, start, size) === null)
      good.push(text(input.subarray(start, start + size)));
    else bad++;
    at = start + Math.ceil(size / 8) * 8;
  }
  return { good, bad };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function refusals(queue: RecordQueue): number {
  return Object.values(queue.malformed).reduce((sum, count) => sum + count, 0);
}
