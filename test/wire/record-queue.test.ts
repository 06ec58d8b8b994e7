import { describe, expect, test } from 'vitest';
import { Epoch } from '../../src/wire/clock.js';
import * as layout from '../../src/wire/layout.gen.js';
import type { RecordCursor } from '../../src/wire/record-cursor.js';
import { ENTRY_BYTES, RecordQueue } from '../../src/wire/record-queue.js';
import { fc } from '../fixtures/properties.js';
import {
  connectRecord,
  deliverRecord,
  deviceRecord,
  frameRecords,
  hopRecord,
} from '../fixtures/wire-record.js';
import { damaged, EPOCH } from './golden-cursor.js';

const HOP = { head: 2n, netns: 1, stage: 'egress' } as const;

/** A trail that began so many ns after the epoch, of a buffer that distinguishes it from others. */
function trail(time: number, skb: number, bytes = 40): Uint8Array {
  const frame = new Uint8Array(bytes).fill(skb);
  return hopRecord({ ...HOP, time: EPOCH + BigInt(time), skb: BigInt(skb), frame });
}

function device(time: number, ifindex: number): Uint8Array {
  return deviceRecord({ time: EPOCH + BigInt(time), netns: 1, ifindex, dev: 'eth0' });
}

function queueOf(...records: readonly Uint8Array[]): RecordQueue {
  const queue = new RecordQueue(new Epoch(EPOCH));
  add(queue, records);
  return queue;
}

function add(queue: RecordQueue, records: readonly Uint8Array[]): void {
  const batch = frameRecords(records);
  queue.add(batch, batch.length);
}

/** What is given out: a trail by its buffer, a device by its index with a minus. */
function released(queue: RecordQueue, time = Number.POSITIVE_INFINITY): number[] {
  const given: number[] = [];
  queue.release(time, (record) =>
    given.push(
      record.type === layout.RECORD_DEVICE ? -record.u32(layout.DEVICE_IFINDEX) : record.skb,
    ),
  );
  return given;
}

const NO_ERRORS = [0, 0, 0, 0, 0, 0, 0];

describe('order', () => {
  test('is that of first hops, not of arrival', () => {
    const queue = queueOf(trail(300, 3), trail(100, 1), trail(200, 2));
    expect(released(queue)).toEqual([1, 2, 3]);
  });

  test('of the same time is that of the ring', () => {
    const queue = queueOf(trail(100, 4), trail(100, 2), trail(50, 1), trail(100, 3));
    expect(released(queue)).toEqual([1, 4, 2, 3]);
  });

  test('is kept across batches', () => {
    const queue = queueOf(trail(100, 2), trail(300, 4));
    add(queue, [trail(200, 3), trail(50, 1)]);
    expect(released(queue)).toEqual([1, 2, 3, 4]);
  });

  test('of other records is by their time as well', () => {
    const time = EPOCH + 150n;
    const reader = { process: 1, thread: 1, sleeps: 1 };
    const deliver = deliverRecord({ time, skb: 7n, head: 2n, netns: 1 });
    const connect = connectRecord({ time: EPOCH + 50n, sock: 9n, netns: 1, opener: reader });
    const queue = queueOf(trail(200, 2), deliver, trail(100, 1), connect);
    expect(released(queue)).toEqual([0, 1, 7, 2]);
  });

  test('has devices before all', () => {
    const queue = queueOf(
      trail(100, 1),
      device(500, 2),
      trail(300, 3),
      device(200, 4),
      device(50, 5),
    );
    expect(released(queue)).toEqual([-2, -4, -5, 1, 3]);
  });

  test('of times far apart, and before the epoch', () => {
    // Further apart than a sort key reaches, several times.
    const day = 86_400e9;
    const times = [3 * day, -5, 2 ** 32, 0, 2 ** 32 - 1, 2 ** 33 + 1, day, -20e9];
    const queue = queueOf(...times.map((time, index) => trail(time, index + 1)));
    const order = times.map((_, index) => index).sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0));
    expect(released(queue)).toEqual(order.map((index) => index + 1));
  });
});

describe('a trail that its reader wants the rest of', () => {
  test('comes again in its turn, or when that is due, and is one record', () => {
    const queue = queueOf(trail(100, 1), trail(200, 2), trail(300, 3));
    const seen: string[] = [];
    const take = (record: RecordCursor): void => {
      seen.push(`${record.skb}@${record.from?.time ?? record.time}`);
      const at = record.from === null ? 250 : 350;
      if (record.skb === 1 && record.from?.time !== 350) {
        record.rest = { time: at, at: 40, hops: 1, context: seen };
      }
    };
    queue.release(320, take);
    expect(seen).toEqual(['1@100', '2@200', '1@250', '3@300']);
    expect([queue.waiting, queue.records]).toEqual([1, 3]);
    expect(queue.byteLength).toBeGreaterThan(0);
    queue.release(400, take);
    expect(seen.slice(4)).toEqual(['1@350']);
    expect([queue.waiting, queue.records, queue.byteLength]).toEqual([0, 3, 0]);
  });

  test('is given at a flush, in order with the others that wait so', () => {
    const queue = queueOf(trail(100, 1), trail(110, 2), trail(120, 3));
    const seen: number[] = [];
    const times = [0, 500, 400, 450];
    queue.flush((record) => {
      if (record.from === null) {
        record.rest = { time: times[record.skb] ?? 0, at: 40, hops: 1, context: null };
      } else {
        seen.push(record.skb);
      }
    });
    expect(seen).toEqual([2, 3, 1]);
    expect(queue.waiting).toBe(0);
  });
});

describe('release', () => {
  test('gives what began before the time, and keeps the rest', () => {
    const queue = queueOf(trail(300, 3), trail(100, 1), trail(200, 2));
    expect(released(queue, 100)).toEqual([]);
    expect(released(queue, 200)).toEqual([1]);
    expect(queue.waiting).toBe(2);
    add(queue, [trail(250, 9)]);
    expect(released(queue, 301)).toEqual([2, 9, 3]);
    expect(released(queue)).toEqual([]);
    expect(queue.records).toBe(4);
  });

  test('gives a device whatever its time', () => {
    const queue = queueOf(trail(300, 3), device(400, 7));
    expect(released(queue, 1)).toEqual([-7]);
    expect(queue.waiting).toBe(1);
  });

  test('gives everything at a flush', () => {
    const given: number[] = [];
    queueOf(trail(2, 2), trail(1, 1)).flush((record) => given.push(record.skb));
    expect(given).toEqual([1, 2]);
  });

  test('gives each record whole, with its own bytes', () => {
    const records = [trail(2, 2, 13), trail(1, 1, 100)];
    const queue = queueOf(...records);
    const given: Uint8Array[] = [];
    queue.flush((record) => given.push(record.bytes.slice(record.offset, record.end)));
    expect(given).toEqual([records[1], records[0]]);
  });
});

describe('memory', () => {
  test('a batch is not kept: its memory may be used again at once', () => {
    const queue = new RecordQueue(new Epoch(EPOCH));
    const target = new Uint8Array(4096);
    for (const skb of [1, 2]) {
      const batch = frameRecords([trail(skb, skb)]);
      target.set(batch);
      queue.add(target, batch.length);
    }
    target.fill(0xff);
    expect(released(queue)).toEqual([1, 2]);
  });

  test('a batch ends where it is said to, whatever a longer one has left', () => {
    const queue = new RecordQueue(new Epoch(EPOCH));
    const target = new Uint8Array(4096).fill(1);
    const batch = frameRecords([trail(1, 1)]);
    target.set(batch);
    queue.add(target, batch.length);
    queue.add(target, 0);
    expect(released(queue)).toEqual([1]);
    expect(Object.values(queue.malformed)).toEqual(NO_ERRORS);
  });

  test('a batch in a view that does not begin at its buffer', () => {
    const batch = frameRecords([trail(2, 2), trail(1, 1)]);
    const shifted = new Uint8Array(batch.length + 24);
    shifted.set(batch, 16);
    const queue = new RecordQueue(new Epoch(EPOCH));
    queue.add(shifted.subarray(16, 16 + batch.length), batch.length);
    expect(released(queue)).toEqual([1, 2]);
  });

  test('bytes are counted while they wait, and one past the limit it is full', () => {
    const record = trail(1, 1);
    const queue = new RecordQueue(new Epoch(EPOCH), 3 * (record.length + ENTRY_BYTES));
    add(queue, [record, record, record]);
    expect([queue.byteLength, queue.isFull]).toEqual([3 * record.length, false]);
    add(queue, [record]);
    expect([queue.byteLength, queue.isFull]).toEqual([4 * record.length, true]);
    released(queue);
    expect([queue.byteLength, queue.isFull, queue.waiting]).toEqual([0, false, 0]);
  });

  test('full, it gives out the oldest before their time, as many as have to be', () => {
    const many = 10_000;
    const records = Array.from({ length: many }, (_, at) => trail(many - at, (many - at) & 0xff));
    const limit = (many - 100) * ((records[0]?.length ?? 0) + ENTRY_BYTES);
    const queue = new RecordQueue(new Epoch(EPOCH), limit);
    add(queue, records);
    const hurried: number[] = [];
    queue.hurry((record) => hurried.push(record.time));
    expect([queue.isFull, queue.hurried, queue.waiting]).toEqual([
      ...[false, hurried.length, many - hurried.length],
    ]);
    expect(hurried.length).toBeGreaterThanOrEqual(100);
    expect(hurried.length).toBeLessThan(many / 2);
    expect(hurried).toEqual(Array.from(hurried, (_, at) => at + 1));
    const rest: number[] = [];
    queue.release(Number.POSITIVE_INFINITY, (record) => rest.push(record.time));
    expect(rest).toEqual(Array.from(rest, (_, at) => hurried.length + at + 1));
    expect(queue.waiting).toBe(0);
  });

  test('chunks are used again: what has waited is not what is kept', () => {
    const queue = new RecordQueue(new Epoch(EPOCH));
    const buffers = new Set<ArrayBufferLike>();
    const batch = frameRecords(Array.from({ length: 1000 }, (_, index) => trail(index, 1, 176)));
    // Some 280 KB a round, through chunks of 1 MiB.
    for (let round = 0; round < 40; round++) {
      queue.add(batch, batch.length);
      queue.flush((record) => buffers.add(record.bytes.buffer));
    }
    expect(queue.records).toBe(40_000);
    expect(buffers.size).toBe(1);
  });

  test('a record that waits keeps its chunk, and only that one', () => {
    const queue = queueOf(trail(1_000_000, 77));
    const batch = frameRecords(Array.from({ length: 1000 }, (_, index) => trail(index, 1, 176)));
    const buffers = new Set<ArrayBufferLike>();
    for (let round = 0; round < 40; round++) {
      queue.add(batch, batch.length);
      queue.release(1_000, (record) => buffers.add(record.bytes.buffer));
    }
    expect(buffers.size).toBeLessThanOrEqual(3);
    expect(released(queue)).toEqual([77]);
  });

  test('what fills several chunks comes out of each of them', () => {
    const record = trail(5, 5, 176);
    const queue = queueOf(...Array.from({ length: 3000 }, () => record));
    const batch = frameRecords(Array.from({ length: 3000 }, () => record));
    for (let more = 0; more < 2; more++) queue.add(batch, batch.byteLength);
    expect(queue.byteLength).toBe(9000 * record.length);
    const buffers = new Set<ArrayBufferLike>();
    let same = 0;
    queue.flush((given) => {
      const { bytes, offset, end } = given;
      same += Buffer.compare(bytes.subarray(offset, end), record) === 0 ? 1 : 0;
      buffers.add(bytes.buffer);
    });
    expect([queue.records, same]).toEqual([9000, 9000]);
    expect(buffers.size).toBeGreaterThan(1);
  });
});

describe('what is malformed is counted and harms no neighbour', () => {
  test.each([
    ['nothing at all', new Uint8Array(0), 'WIRE_SHORT_RECORD'],
    ['a header cut short', device(1, 1).slice(0, 23), 'WIRE_SHORT_RECORD'],
    ['a trail cut short', trail(1, 5).slice(0, 60), 'WIRE_SIZE_MISMATCH'],
    ['a type that there is not', damaged(trail(1, 5), 0, 9), 'WIRE_UNKNOWN_TYPE'],
  ] as const)('%s', (_name, record, code) => {
    const queue = queueOf(trail(2, 2), record, trail(1, 1));
    expect(queue.malformed[code]).toBe(1);
    expect(Object.values(queue.malformed).reduce((a, b) => a + b)).toBe(1);
    expect(released(queue)).toEqual([1, 2]);
  });

  test('a batch cut at every byte gives the records before it and one count', () => {
    const first = frameRecords([device(1, 1)]);
    const whole = frameRecords([device(1, 1), trail(2, 2)]);
    for (let length = first.length + 1; length < whole.length; length++) {
      const queue = new RecordQueue(new Epoch(EPOCH));
      queue.add(whole, length);
      expect(queue.waiting).toBe(1);
      expect(queue.malformed.WIRE_TRUNCATED_FRAME).toBe(1);
    }
  });

  test('a length beyond the batch ends it', () => {
    const batch = frameRecords([trail(1, 1), trail(2, 2)]);
    batch.set([0xff, 0xff, 0xff, 0xff], batch.length / 2);
    const queue = new RecordQueue(new Epoch(EPOCH));
    queue.add(batch, batch.length);
    expect(released(queue)).toEqual([1]);
    expect(queue.malformed.WIRE_TRUNCATED_FRAME).toBe(1);
  });

  test('counts go on from batch to batch', () => {
    const queue = queueOf(damaged(trail(1, 1), 0, 9));
    add(queue, [damaged(trail(1, 1), 0, 9), trail(1, 1)]);
    expect(queue.malformed.WIRE_UNKNOWN_TYPE).toBe(2);
    expect(queue.waiting).toBe(1);
  });
});

test('whatever comes in whatever batches goes out once, in order, or is counted', () => {
  const record = fc.oneof(
    { weight: 8, arbitrary: fc.record({ time: fc.integer({ min: -50, max: 200 }) }) },
    { weight: 1, arbitrary: fc.record({ time: fc.integer({ min: 0, max: 2 ** 40 }) }) },
    { weight: 1, arbitrary: fc.constant({ time: null }) },
  );
  const step = fc.record({
    batch: fc.array(record, { maxLength: 8 }),
    until: fc.integer({ min: -60, max: 250 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const queue = new RecordQueue(new Epoch(EPOCH));
      const waiting: { readonly time: number; readonly skb: number }[] = [];
      let next = 1;
      let bad = 0;
      const expectGiven = (until: number, given: readonly number[]): void => {
        const due = waiting.filter(({ time }) => time < until);
        due.sort((a, b) => a.time - b.time || a.skb - b.skb);
        expect(given).toEqual(due.map(({ skb }) => skb));
        for (const one of due) waiting.splice(waiting.indexOf(one), 1);
      };
      for (const { batch, until } of steps) {
        const records = batch.map(({ time }) => {
          if (time === null) {
            bad += 1;
            return damaged(trail(0, 1), 0, 9);
          }
          waiting.push({ time, skb: next });
          return trail(time, next++);
        });
        add(queue, records);
        expectGiven(until, released(queue, until));
        expect(queue.waiting).toBe(waiting.length);
      }
      expectGiven(Number.POSITIVE_INFINITY, released(queue));
      expect(queue.malformed.WIRE_UNKNOWN_TYPE).toBe(bad);
      expect(queue.records).toBe(next - 1);
      expect(queue.byteLength).toBe(0);
    }),
  );
});
