import { expect, test } from 'vitest';
import { GSO_PACKETS_PER_STREAM, GsoPackets } from '../../src/join/gso-packets.js';
import { HopColumns } from '../../src/join/hop-columns.js';
import { Path } from '../../src/join/path.js';
import type { Tuple } from '../../src/join/tuple.js';
import { TupleTable } from '../../src/join/tuple-table.js';
import { DecodedPacket } from '../../src/packet/decoded-packet.js';

const LENGTH = 1000;
/** When the packets were seen, ns. */
const NOW = 5_000;

function stream(): Tuple {
  const table = new TupleTable();
  table.words.fill(0);
  return table.intern(4, 6, 40000, 80);
}

function gsoPacket(seq: number): Path {
  const path = new Path(seq, new HopColumns());
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
  const known = new GsoPackets();
  const tuple = stream();
  const [first, again, last] = [0xffff_fe00, 0xffff_fe00, 488].map(gsoPacket) as [Path, Path, Path];
  for (const path of [first, again, last]) known.add(path, tuple, NOW);
  expect(known.find(tuple, segmentAt(0xffff_fe00), NOW)).toBe(again);
  expect(known.find(tuple, segmentAt(10), NOW)).toBe(again);
  expect(known.find(tuple, segmentAt(488), NOW)).toBe(last);
  expect(known.find(tuple, segmentAt(488 + LENGTH), NOW)).toBeNull();
  expect(known.find(tuple, segmentAt(10), NOW, (path) => path === first)).toBe(first);
  for (const path of [first, again, last]) known.delete(path);
  expect(known.isEmpty).toBe(true);
});

test('finds none that was not there yet', () => {
  const known = new GsoPackets();
  const tuple = stream();
  known.add(gsoPacket(0), tuple, NOW);
  expect(known.find(tuple, segmentAt(10), NOW - 1)).toBeNull();
});

test('one past the limit the oldest is removed and counted', () => {
  const known = new GsoPackets();
  const tuple = stream();
  for (let i = 0; i <= GSO_PACKETS_PER_STREAM; i++) known.add(gsoPacket(i * LENGTH), tuple, NOW);
  expect(known.refused).toBe(1);
  expect(known.find(tuple, segmentAt(0), NOW)).toBeNull();
  expect(known.find(tuple, segmentAt(LENGTH), NOW)).not.toBeNull();
});
