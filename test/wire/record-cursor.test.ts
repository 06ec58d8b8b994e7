import { describe, expect, test } from 'vitest';
import { Epoch } from '../../src/wire/clock.js';
import * as layout from '../../src/wire/layout.gen.js';
import { RecordCursor } from '../../src/wire/record-cursor.js';
import { packetBytes } from '../fixtures/packet-bytes.js';
import {
  GOLDEN_CONNECT,
  GOLDEN_DELIVER,
  GOLDEN_DROP,
  GOLDEN_FREE,
  GOLDEN_HOP,
  GOLDEN_HOP_CT,
} from '../fixtures/wire-golden.js';
import {
  connectRecord,
  deliverRecord,
  frameRecords,
  freeRecord,
  hopRecord,
} from '../fixtures/wire-record.js';
import { hex } from '../packet/hex.js';

/** 5 * 2^32: what the golden times count from. */
const EPOCH = 5n << 32n;
const SKB = 0xffff_8880_0400_a100n;
const HEAD = 0xffff_8880_050a_c000n;

function read(batch: Uint8Array, length = batch.byteLength): RecordCursor {
  const cursor = new RecordCursor(new Epoch(EPOCH));
  cursor.borrow(batch, length);
  return cursor;
}

function single(record: Uint8Array): RecordCursor {
  const cursor = read(frameRecords([record]));
  expect(cursor.next()).toBe(true);
  return cursor;
}

/** Types of all good records of a batch. */
function typesOf(cursor: RecordCursor): number[] {
  const types: number[] = [];
  while (cursor.next()) {
    types.push(cursor.type);
  }
  return types;
}

describe('golden records', () => {
  test('a hop, field by field', () => {
    const cursor = single(GOLDEN_HOP);
    expect(cursor.type).toBe(1);
    expect(cursor.hasConntrack).toBe(false);
    expect(cursor.time).toBe(1_000_000);
    expect(cursor.cpu).toBe(1);
    expect(cursor.skb).toBe(0x8880_0400_a100);
    expect(cursor.head).toBe(0x8880_050a_c000);
    expect(cursor.location).toBe(0n);
    expect(cursor.u32(layout.HOP_NETNS)).toBe(4026532101);
    expect(cursor.u32(layout.HOP_IFINDEX)).toBe(2);
    expect(cursor.u32(layout.HOP_MTU)).toBe(1450);
    expect(cursor.u32(layout.HOP_LEN)).toBe(98);
    expect(cursor.u32(layout.HOP_MARK)).toBe(0x40000);
    expect(cursor.u16(layout.HOP_L3_OFFSET)).toBe(14);
    expect(cursor.u16(layout.HOP_SNAP_LEN)).toBe(98);
    expect(cursor.u16(layout.HOP_PROTOCOL)).toBe(0x800);
    expect(cursor.u16(layout.HOP_DEV_TYPE)).toBe(1);
    expect(cursor.u8(layout.HOP_STAGE)).toBe(layout.STAGE_EGRESS);
    expect(cursor.u8(layout.HOP_HOOK)).toBe(0xff);
    expect(cursor.u8(layout.HOP_CT_INFO)).toBe(0xff);
    expect(cursor.text(layout.HOP_DEV, 16)).toBe('eth0');
    expect(cursor.text(layout.HOP_KIND, 16)).toBe('veth');
    expect(cursor.sock).toBe(0x8880_5040_2400);
    expect(cursor.u8(layout.HOP_SNAP)).toBe(0xee);
  });

  test('a hop with conntrack, field by field', () => {
    const cursor = single(GOLDEN_HOP_CT);
    expect(cursor.type).toBe(2);
    expect(cursor.hasConntrack).toBe(true);
    expect(cursor.time).toBe(2_000_000);
    expect(cursor.u32(layout.HOP_MARK)).toBe(0x4000);
    expect(cursor.i32(layout.HOP_PRIORITY)).toBe(-99);
    expect(cursor.u8(layout.HOP_STAGE)).toBe(layout.STAGE_NETFILTER);
    expect(cursor.u8(layout.HOP_HOOK)).toBe(0);
    expect(cursor.u8(layout.HOP_FAMILY)).toBe(2);
    expect(cursor.u8(layout.HOP_CT_INFO)).toBe(2);
    expect(cursor.u32(layout.HOP_IFINDEX_IN)).toBe(5);
    expect(cursor.text(layout.HOP_DEV, 16)).toBe('calice0906292e2');
    expect(cursor.u32(layout.HOP_CT_CT)).toBe(0x1000_5a00);
    expect(cursor.u32(layout.HOP_CT_STATUS)).toBe(0x198);
    expect(cursor.u16(layout.HOP_CT_ZONE)).toBe(3);
    const original = layout.HOP_CT_ORIGINAL;
    expect(cursor.u32be(original + layout.TUPLE_SRC)).toBe(0x0af499cc);
    expect(cursor.u16be(original + layout.TUPLE_SPORT)).toBe(38610);
    expect(cursor.u16(original + layout.TUPLE_L3NUM)).toBe(2);
    expect(cursor.u32be(original + layout.TUPLE_DST)).toBe(0x0a6ba1ff);
    expect(cursor.u16be(original + layout.TUPLE_DPORT)).toBe(8080);
    expect(cursor.u8(original + layout.TUPLE_PROTONUM)).toBe(6);
    expect(cursor.u8(original + layout.TUPLE_DIR)).toBe(0);
    const reply = layout.HOP_CT_REPLY;
    expect(cursor.u32be(reply + layout.TUPLE_SRC)).toBe(0x0af499c9);
    expect(cursor.u16be(reply + layout.TUPLE_SPORT)).toBe(80);
    expect(cursor.u32be(reply + layout.TUPLE_DST)).toBe(0x0af499cc);
    expect(cursor.u16be(reply + layout.TUPLE_DPORT)).toBe(38610);
    expect(cursor.u8(reply + layout.TUPLE_DIR)).toBe(1);
  });

  test('the end of a buffer', () => {
    const cursor = single(GOLDEN_FREE);
    expect(cursor.type).toBe(layout.RECORD_FREE);
    expect(cursor.time).toBe(3_000_000);
    expect(cursor.cpu).toBe(1);
    expect(cursor.skb).toBe(0x8880_0400_a100);
  });

  test('a delivery', () => {
    const cursor = single(GOLDEN_DELIVER);
    expect(cursor.type).toBe(layout.RECORD_DELIVER);
    expect(cursor.time).toBe(4_000_000);
    expect(cursor.skb).toBe(0x8880_0400_a100);
    expect(cursor.deliverHead).toBe(0x8880_050a_c000);
    expect(cursor.deliverSock).toBe(0x8880_3020_1000);
    expect(cursor.u32(layout.DELIVER_NETNS)).toBe(4026532102);
    expect(cursor.u32(layout.DELIVER_READER + layout.ACTOR_PROCESS)).toBe(1234);
    expect(cursor.u32(layout.DELIVER_READER + layout.ACTOR_THREAD)).toBe(1235);
    expect(cursor.u32(layout.DELIVER_READER + layout.ACTOR_SLEEPS)).toBe(7);
  });

  test('a connection that a process opens', () => {
    const cursor = single(GOLDEN_CONNECT);
    expect(cursor.type).toBe(layout.RECORD_CONNECT);
    expect(cursor.time).toBe(6_000_000);
    expect(cursor.skb).toBe(0);
    expect(cursor.connectSock).toBe(0x8880_5040_2400);
    expect(cursor.u32(layout.CONNECT_NETNS)).toBe(4026532102);
    expect(cursor.u32(layout.CONNECT_OPENER + layout.ACTOR_PROCESS)).toBe(1234);
    expect(cursor.u32(layout.CONNECT_OPENER + layout.ACTOR_THREAD)).toBe(1235);
    expect(cursor.u32(layout.CONNECT_OPENER + layout.ACTOR_SLEEPS)).toBe(8);
  });

  test('a drop', () => {
    const cursor = single(GOLDEN_DROP);
    expect(cursor.u8(layout.HOP_STAGE)).toBe(layout.STAGE_DROP);
    expect(cursor.location).toBe(0xffffffff81345678n);
    expect(cursor.u32(layout.HOP_REASON)).toBe(10);
    expect(cursor.u32(layout.HOP_DATAREF)).toBe(2);
    expect(cursor.u32(layout.HOP_IFINDEX)).toBe(0);
    expect(cursor.text(layout.HOP_DEV, 16)).toBe('');
  });
});

describe('the builder that other tests use writes the same bytes', () => {
  test('hop', () => {
    const frame = GOLDEN_HOP.subarray(136, 234);
    expect(
      hopRecord({
        time: EPOCH + 1_000_000n,
        skb: SKB,
        cpu: 1,
        head: HEAD,
        netns: 4026532101,
        ifindex: 2,
        dev: 'eth0',
        kind: 'veth',
        mtu: 1450,
        mark: 0x40000,
        l3Offset: 14,
        stage: 'egress',
        sock: 0xffff_8880_5040_2400n,
        frame,
      }),
    ).toEqual(GOLDEN_HOP);
    expect(
      packetBytes({
        proto: 'icmp',
        src: '10.244.153.204',
        dst: '10.244.146.205',
        id: 7982,
        dontFragment: true,
        icmpId: 56616,
        icmpSeq: 1,
        payload: 56,
      }),
    ).toEqual(frame.subarray(14));
  });

  test('hop with conntrack', () => {
    expect(
      hopRecord({
        time: EPOCH + 2_000_000n,
        skb: SKB,
        head: HEAD,
        netns: 4026532111,
        ifindex: 5,
        ifindexIn: 5,
        dev: 'calice0906292e2',
        kind: 'veth',
        mtu: 1450,
        mark: 0x4000,
        stage: 'netfilter',
        hook: 'prerouting',
        priority: -99,
        ctInfo: 'new',
        frame: packetBytes({
          proto: 'tcp',
          src: '10.244.153.204',
          dst: '10.244.153.201',
          id: 7,
          dontFragment: true,
          sport: 38610,
          dport: 80,
          seq: 1000,
          flags: 'S',
        }),
        ct: {
          address: 0xffff_8880_1000_5a00n,
          status: 0x198,
          zone: 3,
          original: {
            src: '10.244.153.204',
            dst: '10.107.161.255',
            sport: 38610,
            dport: 8080,
            protocol: 6,
          },
          reply: {
            src: '10.244.153.201',
            dst: '10.244.153.204',
            sport: 80,
            dport: 38610,
            protocol: 6,
          },
        },
      }),
    ).toEqual(GOLDEN_HOP_CT);
  });

  test('ends and drops', () => {
    expect(freeRecord({ time: EPOCH + 3_000_000n, skb: SKB, cpu: 1 })).toEqual(GOLDEN_FREE);
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
    expect(
      hopRecord({
        time: EPOCH + 5_000_000n,
        skb: SKB,
        head: HEAD,
        netns: 4026532111,
        devType: 0,
        reason: 10,
        location: 0xffffffff81345678n,
        dataref: 2,
        stage: 'drop',
        frame: packetBytes({
          proto: 'udp',
          src: '10.244.153.204',
          dst: '10.244.153.201',
          id: 9,
          sport: 33333,
          dport: 5353,
        }),
      }),
    ).toEqual(GOLDEN_DROP);
  });
});

describe('a batch', () => {
  const ALL = [GOLDEN_HOP, GOLDEN_HOP_CT, GOLDEN_FREE, GOLDEN_DELIVER, GOLDEN_CONNECT];

  test('is framed as a drain of the ring leaves it', () => {
    expect(frameRecords([GOLDEN_FREE, hex('05 00 06 00 07')])).toEqual(
      hex(`
        18 00 00 00 00 00 00 00 # 24 bytes follow
        03 00 18 00 01 00 00 00 c0 c6 2d 00 05 00 00 00 00 a1 00 04 80 88 ff ff
        05 00 00 00 00 00 00 00 # 5 bytes follow
        05 00 06 00 07 00 00 00 # padded to 8
      `),
    );
  });

  test('gives its records in order', () => {
    const cursor = read(frameRecords(ALL));
    expect(typesOf(cursor)).toEqual([1, 2, 3, 4, 5]);
    expect(cursor.records).toBe(5);
    expect(Object.values(cursor.malformed)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('ends where it is said to, whatever an earlier and longer one left behind', () => {
    const target = new Uint8Array(4096);
    const full = frameRecords(ALL);
    target.set(full);
    const cursor = read(target, full.byteLength);
    expect(typesOf(cursor)).toEqual([1, 2, 3, 4, 5]);
    const short = frameRecords([GOLDEN_FREE]);
    target.set(short);
    cursor.borrow(target, short.byteLength);
    expect(typesOf(cursor)).toEqual([3]);
    expect(Object.values(cursor.malformed)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('is read in a view that does not begin at its buffer', () => {
    const batch = frameRecords(ALL);
    const shifted = new Uint8Array(batch.byteLength + 24);
    shifted.set(batch, 16);
    expect(typesOf(read(shifted.subarray(16, 16 + batch.byteLength)))).toEqual([1, 2, 3, 4, 5]);
  });

  test('of no bytes has no records', () => {
    expect(typesOf(read(new Uint8Array(0)))).toEqual([]);
  });

  test('takes records that a later tracer made longer', () => {
    const longer = new Uint8Array(320);
    longer.set(GOLDEN_HOP);
    longer[2] = 0x40; // size 320
    const cursor = read(frameRecords([longer, GOLDEN_FREE]));
    expect(typesOf(cursor)).toEqual([1, 3]);
  });
});

describe('what is malformed is counted and harms no neighbour', () => {
  const damaged = (record: Uint8Array, at: number, ...bytes: number[]): Uint8Array => {
    const copy = record.slice();
    copy.set(bytes, at);
    return copy;
  };
  const CASES: readonly (readonly [string, Uint8Array, string])[] = [
    ['nothing at all', new Uint8Array(0), 'WIRE_SHORT_RECORD'],
    ['a header cut short', GOLDEN_FREE.slice(0, 23), 'WIRE_SHORT_RECORD'],
    ['a hop cut short', GOLDEN_HOP.slice(0, 304), 'WIRE_SIZE_MISMATCH'],
    ['a hop that says it is smaller', damaged(GOLDEN_HOP, 2, 0x30, 0x01), 'WIRE_SIZE_MISMATCH'],
    ['a hop said to have conntrack', damaged(GOLDEN_HOP, 0, 2), 'WIRE_SIZE_MISMATCH'],
    ['a delivery without its socket', GOLDEN_DELIVER.slice(0, 24), 'WIRE_SIZE_MISMATCH'],
    ['type 0', damaged(GOLDEN_FREE, 0, 0), 'WIRE_UNKNOWN_TYPE'],
    ['a connection cut short', GOLDEN_CONNECT.slice(0, 40), 'WIRE_SIZE_MISMATCH'],
    ['type 6', damaged(GOLDEN_FREE, 0, 6), 'WIRE_UNKNOWN_TYPE'],
    ['type 0xffff', damaged(GOLDEN_FREE, 0, 0xff, 0xff), 'WIRE_UNKNOWN_TYPE'],
    ['a snapshot of 177 bytes', damaged(GOLDEN_HOP, 74, 177), 'WIRE_BAD_SNAP_LENGTH'],
    ['a snapshot of 65535 bytes', damaged(GOLDEN_HOP_CT, 74, 255, 255), 'WIRE_BAD_SNAP_LENGTH'],
    ['stage 0', damaged(GOLDEN_HOP, 88, 0), 'WIRE_BAD_STAGE'],
    ['stage 6', damaged(GOLDEN_HOP_CT, 88, 6), 'WIRE_BAD_STAGE'],
  ];

  test.each(CASES)('%s', (_name, record, code) => {
    const cursor = read(frameRecords([GOLDEN_HOP, record, GOLDEN_DELIVER]));
    expect(typesOf(cursor)).toEqual([1, 4]);
    expect(cursor.records).toBe(2);
    const counted = Object.entries(cursor.malformed).filter(([, count]) => count > 0);
    expect(counted).toEqual([[code, 1]]);
  });

  test('the greatest snapshot and the last stage are good', () => {
    const cursor = read(frameRecords([damaged(GOLDEN_HOP, 74, 176), damaged(GOLDEN_HOP, 88, 5)]));
    expect(typesOf(cursor)).toEqual([1, 1]);
  });

  test('a frame cut at every byte gives the records before it and one count', () => {
    const whole = frameRecords([GOLDEN_FREE, GOLDEN_DELIVER]);
    const first = 8 + 24;
    for (let length = first + 1; length < whole.byteLength; length++) {
      const cursor = read(whole.subarray(0, length));
      expect(typesOf(cursor)).toEqual([3]);
      expect(cursor.malformed.WIRE_TRUNCATED_FRAME).toBe(1);
    }
  });

  test('a length beyond the batch ends it', () => {
    const batch = frameRecords([GOLDEN_FREE, GOLDEN_FREE]);
    batch.set([0xff, 0xff, 0xff, 0xff], 32);
    const cursor = read(batch);
    expect(typesOf(cursor)).toEqual([3]);
    expect(cursor.malformed.WIRE_TRUNCATED_FRAME).toBe(1);
  });

  test('counts go on from batch to batch', () => {
    const cursor = read(frameRecords([damaged(GOLDEN_FREE, 0, 9)]));
    typesOf(cursor);
    const again = frameRecords([damaged(GOLDEN_FREE, 0, 9), GOLDEN_FREE]);
    cursor.borrow(again, again.byteLength);
    typesOf(cursor);
    expect(cursor.malformed.WIRE_UNKNOWN_TYPE).toBe(2);
    expect(cursor.records).toBe(1);
  });
});
