import { describe, expect, test } from 'vitest';
import { Epoch } from '../../src/wire/clock.js';
import * as layout from '../../src/wire/layout.gen.js';
import { noWireErrors, RecordCursor, recordError } from '../../src/wire/record-cursor.js';
import {
  GOLDEN_CONNECT,
  GOLDEN_DELIVER,
  GOLDEN_DEVICE,
  GOLDEN_DEVICE_CHANGED,
  GOLDEN_TRAIL,
} from '../fixtures/wire-golden.js';
import { connectRecord, deliverRecord, deviceRecord } from '../fixtures/wire-record.js';
import { damaged, EPOCH, HEAD, onRecord, SKB } from './golden-cursor.js';

describe('golden records, field by field', () => {
  test('a device', () => {
    const cursor = onRecord(GOLDEN_DEVICE);
    expect(cursor.type).toBe(layout.RECORD_DEVICE);
    expect(cursor.time).toBe(1_000_000);
    expect(cursor.skb).toBe(0);
    expect(cursor.u32(layout.HEADER_CPU)).toBe(1);
    expect(cursor.u32(layout.DEVICE_NETNS)).toBe(4026532101);
    expect(cursor.u32(layout.DEVICE_INODE)).toBe(4026533101);
    expect(cursor.u32(layout.DEVICE_IFINDEX)).toBe(2);
    expect(cursor.u32(layout.DEVICE_MTU)).toBe(1450);
    expect(cursor.u32(layout.DEVICE_DEV_TYPE)).toBe(1);
    expect(cursor.text(layout.DEVICE_NAME, 16)).toBe('eth0');
    expect(cursor.text(layout.DEVICE_KIND, 16)).toBe('veth');
  });

  test('a device that has changed', () => {
    const cursor = onRecord(GOLDEN_DEVICE_CHANGED);
    expect([cursor.skb, cursor.time]).toEqual([0, 1_000_001]);
    expect(cursor.u32(layout.DEVICE_MTU)).toBe(1500);
  });

  test('a name that fills its field, without a NUL', () => {
    const full = damaged(GOLDEN_DEVICE, 48, ...Buffer.from('calice0906292e2b'));
    expect(onRecord(full).text(layout.DEVICE_NAME, 16)).toBe('calice0906292e2b');
  });

  test('a trail, as far as it is a record', () => {
    const cursor = onRecord(GOLDEN_TRAIL);
    expect(cursor.type).toBe(layout.RECORD_TRAIL);
    expect(cursor.time).toBe(2_000_000);
    expect(cursor.skb).toBe(0x8880_0400_a100);
    expect(cursor.address(layout.TRAIL_SOCK)).toBe(0x8880_5040_2400);
    expect(cursor.u16(layout.TRAIL_HOPS)).toBe(5);
    expect(cursor.u8(layout.TRAIL_END)).toBe(layout.END_DROP);
    expect([cursor.offset, cursor.end]).toEqual([8, 8 + 416]);
  });

  test('a delivery', () => {
    const cursor = onRecord(GOLDEN_DELIVER);
    expect(cursor.type).toBe(layout.RECORD_DELIVER);
    expect(cursor.time).toBe(4_000_000);
    expect(cursor.skb).toBe(0x8880_0400_a100);
    expect(cursor.address(layout.DELIVER_HEAD)).toBe(0x8880_050a_c000);
    expect(cursor.address(layout.DELIVER_SOCK)).toBe(0x8880_3020_1000);
    expect(cursor.u32(layout.DELIVER_NETNS)).toBe(4026532102);
    expect(cursor.u32(layout.DELIVER_READER + layout.ACTOR_PROCESS)).toBe(1234);
    expect(cursor.u32(layout.DELIVER_READER + layout.ACTOR_THREAD)).toBe(1235);
    expect(cursor.u32(layout.DELIVER_READER + layout.ACTOR_SLEEPS)).toBe(7);
  });

  test('a connection that a process opens', () => {
    const cursor = onRecord(GOLDEN_CONNECT);
    expect(cursor.type).toBe(layout.RECORD_CONNECT);
    expect(cursor.time).toBe(6_000_000);
    expect(cursor.skb).toBe(0);
    expect(cursor.address(layout.CONNECT_SOCK)).toBe(0x8880_5040_2400);
    expect(cursor.u32(layout.CONNECT_NETNS)).toBe(4026532102);
    expect(cursor.u32(layout.CONNECT_OPENER + layout.ACTOR_PROCESS)).toBe(1234);
    expect(cursor.u32(layout.CONNECT_OPENER + layout.ACTOR_THREAD)).toBe(1235);
    expect(cursor.u32(layout.CONNECT_OPENER + layout.ACTOR_SLEEPS)).toBe(8);
  });

  test('in a view that does not begin at its buffer', () => {
    const bytes = new Uint8Array(24 + GOLDEN_DEVICE.length);
    bytes.set(GOLDEN_DEVICE, 24);
    const part = bytes.subarray(16);
    const cursor = new RecordCursor(new Epoch(EPOCH));
    const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
    cursor.set(view, part, 8, GOLDEN_DEVICE.length);
    expect(cursor.text(layout.DEVICE_NAME, 16)).toBe('eth0');
    expect(cursor.u32(layout.DEVICE_NETNS)).toBe(4026532101);
    expect(cursor.u32(layout.DEVICE_INODE)).toBe(4026533101);
  });
});

test('the builder that other tests use writes the same bytes', () => {
  const eth0 = { netns: 4026532101, ifindex: 2, dev: 'eth0', kind: 'veth' };
  // Neither the daemon nor a test asks which CPU it was.
  const ofCpu1 = (record: Uint8Array): Uint8Array => damaged(record, layout.HEADER_CPU, 1);
  expect(ofCpu1(deviceRecord({ ...eth0, time: EPOCH + 1_000_000n, mtu: 1450 }))).toEqual(
    GOLDEN_DEVICE,
  );
  expect(ofCpu1(deviceRecord({ ...eth0, time: EPOCH + 1_000_001n, mtu: 1500 }))).toEqual(
    GOLDEN_DEVICE_CHANGED,
  );
  expect(
    deliverRecord({
      time: EPOCH + 4_000_000n,
      skb: SKB,
      sock: 0xffff_8880_3020_1000n,
      head: HEAD,
      netns: 4026532102,
      reader: { process: 1234, thread: 1235, sleeps: 7 },
    }),
  ).toEqual(GOLDEN_DELIVER);
  expect(
    connectRecord({
      time: EPOCH + 6_000_000n,
      sock: 0xffff_8880_5040_2400n,
      netns: 4026532102,
      opener: { process: 1234, thread: 1235, sleeps: 8 },
    }),
  ).toEqual(GOLDEN_CONNECT);
});

describe('what is wrong with a record', () => {
  const errorOf = (record: Uint8Array): string | null => {
    // Something else lies after it, as in a batch.
    const bytes = new Uint8Array(record.length + 32).fill(2);
    bytes.set(record);
    return recordError(new DataView(bytes.buffer), 0, record.length);
  };
  /** A trail that says of itself what is true of its size. */
  const cutTo = (record: Uint8Array, size: number): Uint8Array =>
    damaged(record.slice(0, size), 2, size & 0xff, size >> 8);

  test.each([
    ['a device', GOLDEN_DEVICE],
    ['a trail', GOLDEN_TRAIL],
    ['the shortest trail', cutTo(GOLDEN_TRAIL, 40 + 32)],
    ['a delivery', GOLDEN_DELIVER],
    ['a connection', GOLDEN_CONNECT],
    [
      'one that a later tracer made longer',
      cutTo(Buffer.concat([GOLDEN_DEVICE, new Uint8Array(8)]), 80),
    ],
  ])('nothing: %s', (_name, record) => {
    expect(errorOf(record)).toBeNull();
  });

  test.each([
    ['nothing at all', new Uint8Array(0), 'WIRE_SHORT_RECORD'],
    ['a header cut short', GOLDEN_DEVICE.slice(0, 23), 'WIRE_SHORT_RECORD'],
    ['a device cut short', cutTo(GOLDEN_DEVICE, 71), 'WIRE_SIZE_MISMATCH'],
    ['a trail without a hop', cutTo(GOLDEN_TRAIL, 40 + 31), 'WIRE_SIZE_MISMATCH'],
    ['a trail that says it is smaller', damaged(GOLDEN_TRAIL, 2, 0x98), 'WIRE_SIZE_MISMATCH'],
    ['a trail that says it is larger', damaged(GOLDEN_TRAIL, 2, 0xa8), 'WIRE_SIZE_MISMATCH'],
    ['a delivery without its reader', cutTo(GOLDEN_DELIVER, 48), 'WIRE_SIZE_MISMATCH'],
    ['a connection cut short', cutTo(GOLDEN_CONNECT, 40), 'WIRE_SIZE_MISMATCH'],
    ['type 0', damaged(GOLDEN_DEVICE, 0, 0), 'WIRE_UNKNOWN_TYPE'],
    ['type 5', damaged(GOLDEN_DEVICE, 0, 5), 'WIRE_UNKNOWN_TYPE'],
    ['type 0xffff', damaged(GOLDEN_DEVICE, 0, 0xff, 0xff), 'WIRE_UNKNOWN_TYPE'],
  ])('%s', (_name, record, code) => {
    expect(errorOf(record)).toBe(code);
  });

  test('each has a counter that begins at zero, of its own for each reader', () => {
    const counts = noWireErrors();
    expect(Object.values(counts).every((count) => count === 0)).toBe(true);
    counts.WIRE_BAD_TRAIL += 1;
    expect(noWireErrors().WIRE_BAD_TRAIL).toBe(0);
  });
});
