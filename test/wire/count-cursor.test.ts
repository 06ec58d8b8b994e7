import { expect, test } from 'vitest';
import { Epoch } from '../../src/wire/clock.js';
import { CountCursor } from '../../src/wire/count-cursor.js';
import * as layout from '../../src/wire/count-layout.gen.js';
import { ByteWriter } from '../fixtures/byte-writer.js';

const EPOCH = 1_000_000_000_000n;

interface KeyFields {
  readonly family: 4 | 6;
  readonly protocol: number;
  readonly ports: number;
  readonly direction: number;
}

/** struct hs_count_key of bpf/counter-wire.h: 10.0.0.1:4660 to 10.0.0.2:22136. */
function key(fields: Partial<KeyFields> = {}): Uint8Array {
  return written((w) =>
    w
      .fill(0, 12)
      .raw([10, 0, 0, 1]) // src
      .fill(0, 12)
      .raw([10, 0, 0, 2]) // dst
      .u32(4026531840) // netns
      .u32(7) // ifindex
      .be16(4660) // sport
      .be16(22136) // dport
      .u8(fields.family ?? 4)
      .u8(fields.protocol ?? 6)
      .u8(fields.direction ?? layout.COUNT_IN)
      .u8(fields.ports ?? layout.COUNT_PORTS_REAL),
  );
}

interface CountFields {
  readonly packets: bigint;
  readonly last: bigint;
  readonly flags: number;
  readonly fin: number;
  readonly begun: number;
  readonly ended: number;
  readonly l3num: number;
  readonly protonum: number;
}

/** struct hs_count of bpf/counter-wire.h. */
function count(fields: Partial<CountFields> = {}): Uint8Array {
  const tuple = (w: ByteWriter, last: number) =>
    w
      .raw([10, 0, 0, last])
      .fill(0, 12) // src
      .be16(4660) // sport, or ICMP id
      .u16(fields.l3num ?? 2) // AF_INET
      .raw([10, 96, 0, 1])
      .fill(0, 12) // dst
      .be16(443) // dport, or ICMP type and code
      .u8(fields.protonum ?? 6)
      .u8(0); // dir
  return written((w) => {
    w.u64(fields.packets ?? 3n) // packets
      .u64(2n ** 40n + 1n) // bytes
      .u64(EPOCH + 5n) // first
      .u64(fields.last ?? EPOCH + 900n) // last
      .u32(1500) // largest
      .u32(1) // syn
      .u32(fields.fin ?? 0) // fin
      .u32(0) // rst
      .u32(4) // repeated
      .u32(0xdead) // seq_end
      .u8(fields.flags ?? 0x12) // tcp_flags
      .u8(0) // pad
      .u16(9) // zone
      .u32(0x188) // status
      .u32(fields.begun ?? 2) // ct_begun
      .u32(fields.ended ?? 2) // ct_ended
      .u64(0xffff888000000000n); // ct
    tuple(w, 1);
    tuple(w, 2);
  });
}

function written(write: (w: ByteWriter) => unknown): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.bytes();
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function cursorOn(entries: readonly (readonly [Uint8Array, Uint8Array])[]): CountCursor {
  const cursor = new CountCursor(new Epoch(EPOCH));
  const keys = joined(entries.map(([k]) => k));
  const values = joined(entries.map(([, v]) => v));
  cursor.borrow(keys, values, entries.length, false);
  return cursor;
}

test('an entry is read field by field', () => {
  expect(key()).toHaveLength(layout.SIZEOF_COUNT_KEY);
  expect(count()).toHaveLength(layout.SIZEOF_COUNT);
  const cursor = cursorOn([[key({ direction: layout.COUNT_OUT }), count({ fin: 1 })]]);
  expect(cursor.next()).toBe(true);
  expect(cursor).toMatchObject({
    netns: 4026531840,
    ifindex: 7,
    direction: 'out',
    family: 4,
    protocol: 6,
    sport: 4660,
    dport: 22136,
    packets: 3,
    bytes: 2 ** 40 + 1,
    largest: 1500,
    first: 5,
    last: 900,
    gone: false,
    syn: 1,
    fin: 1,
    rst: 0,
    repeated: 4,
    ctZone: 9,
    ctStatus: 0x188,
  });
  expect([...cursor.src]).toEqual([0, 0, 0, 0x0a000001]);
  expect([...cursor.dst]).toEqual([0, 0, 0, 0x0a000002]);
  // FIN was counted, though its flag got lost between two CPUs.
  expect(cursor.tcpFlags).toBe(0x13);
  expect(cursor.ctOriginal).toMatchObject({ family: 4, protocol: 6, sport: 4660, dport: 443 });
  expect([...(cursor.ctOriginal?.src ?? [])]).toEqual([0, 0, 0, 0x0a000001]);
  expect([...(cursor.ctReply?.src ?? [])]).toEqual([0, 0, 0, 0x0a000002]);
  expect([...(cursor.ctReply?.dst ?? [])]).toEqual([0, 0, 0, 0x0a600001]);
  expect(cursor.next()).toBe(false);
  expect(cursor.rows).toBe(1);
});

test.each([
  ['none', layout.COUNT_PORTS_NONE, -1],
  ['those of an echo', layout.COUNT_PORTS_ECHO, 4660],
  ['those of a fragment without its first', layout.COUNT_PORTS_LOST, -1],
])('ports that are %s', (_, ports, sport) => {
  const cursor = cursorOn([[key({ ports }), count()]]);
  cursor.next();
  expect(cursor.sport).toBe(sport);
});

test('conntrack is null until it is there, and while it is written', () => {
  const cursor = cursorOn([
    [key(), count({ begun: 0, ended: 0 })],
    [key(), count({ begun: 3, ended: 2 })],
    [key(), count({ l3num: 99 })],
  ]);
  while (cursor.next()) {
    expect(cursor.ctOriginal).toBeNull();
    expect(cursor.ctReply).toBeNull();
  }
  expect(cursor.rows).toBe(3);
});

test('conntrack’s tuple of an echo has the identifier twice', () => {
  const cursor = cursorOn([[key(), count({ protonum: 1 })]]);
  cursor.next();
  expect(cursor.ctOriginal).toMatchObject({ sport: 4660, dport: 4660 });
});

test('what has not changed is passed over, and so is an entry that is being made', () => {
  const keys = joined([key(), key(), key()]);
  const values = joined([
    count({ last: EPOCH + 99n }),
    count({ last: EPOCH + 100n }),
    count({ packets: 0n }),
  ]);
  const cursor = new CountCursor(new Epoch(EPOCH));
  const asked: number[] = [];
  const isKnown = (index: number): boolean => asked.push(index) > 1;
  cursor.borrow(keys, values, 3, false, { since: 100, isKnown });
  expect(cursor.next()).toBe(true);
  expect(cursor.index).toBe(1);
  expect(cursor.next()).toBe(false);
  expect(cursor.lastOf(0)).toBe(99);
  cursor.borrow(keys, values, 3, false, { since: 100, isKnown });
  expect(cursor.next()).toBe(false);
  expect(asked).toEqual([1, 1]);
});

test('a count larger than the arrays reads no further than they go', () => {
  const cursor = new CountCursor(new Epoch(EPOCH));
  cursor.borrow(key(), joined([count(), count()]), 50, true);
  expect(cursor.next()).toBe(true);
  expect(cursor.gone).toBe(true);
  expect(cursor.next()).toBe(false);
});
