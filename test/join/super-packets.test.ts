import { expect, test } from 'vitest';
import { Path } from '../../src/join/path.js';
import { SUPER_PACKETS_PER_STREAM, SuperPackets } from '../../src/join/super-packets.js';
import type { Tuple } from '../../src/join/tuple.js';
import { TupleTable } from '../../src/join/tuple-table.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';

const LENGTH = 1000;

function stream(): Tuple {
  const table = new TupleTable();
  table.words.fill(0);
  return table.intern(4, 6, 40000, 80);
}

function superPacket(seq: number): Path {
  const path = new Path(seq);
  path.tcpSeq = seq;
  path.payloadLength = LENGTH;
  return path;
}

function segmentAt(seq: number): DecodedPacket {
  const p = new DecodedPacket();
  p.tcpSeq = seq;
  return p;
}

test('finds the newest that holds a place, across the end of the sequence numbers', () => {
  const known = new SuperPackets();
  const tuple = stream();
  const [first, again, last] = [0xffff_fe00, 0xffff_fe00, 488].map(superPacket) as [
    Path,
    Path,
    Path,
  ];
  for (const path of [first, again, last]) known.add(path, tuple);
  expect(known.find(tuple, segmentAt(0xffff_fe00))).toBe(again);
  expect(known.find(tuple, segmentAt(10))).toBe(again);
  expect(known.find(tuple, segmentAt(488))).toBe(last);
  expect(known.find(tuple, segmentAt(488 + LENGTH))).toBeNull();
  expect(known.find(tuple, segmentAt(10), (path) => path === first)).toBe(first);
  for (const path of [first, again, last]) known.delete(path);
  expect(known.isEmpty).toBe(true);
});

test('one past the limit the oldest gives way and is counted', () => {
  const known = new SuperPackets();
  const tuple = stream();
  for (let i = 0; i <= SUPER_PACKETS_PER_STREAM; i++) known.add(superPacket(i * LENGTH), tuple);
  expect(known.refused).toBe(1);
  expect(known.find(tuple, segmentAt(0))).toBeNull();
  expect(known.find(tuple, segmentAt(LENGTH))).not.toBeNull();
});
