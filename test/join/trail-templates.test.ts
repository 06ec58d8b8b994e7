import { describe, expect, test } from 'vitest';
import type { Conntrack } from '../../src/join/conntrack.js';
import type { Hop } from '../../src/join/hop.js';
import { HopColumns } from '../../src/join/hop-columns.js';
import { Path } from '../../src/join/path.js';
import { PathJoiner } from '../../src/join/path-joiner.js';
import { Tuple } from '../../src/join/tuple.js';
import { verdictOf } from '../../src/join/verdict.js';
import { Epoch } from '../../src/wire/clock.js';
import { RecordCursor } from '../../src/wire/record-cursor.js';
import { RecordQueue } from '../../src/wire/record-queue.js';
import { ACT } from '../fixtures/any-journeys.js';
import { REASONS } from '../fixtures/joined.js';
import {
  ADDRESSES,
  CALI1,
  CALI2,
  ENS111,
  NETNS,
  POD1_ETH0,
  POD2_ETH0,
  VXLAN111,
} from '../fixtures/places.js';
import { fc } from '../fixtures/properties.js';
import { type Journey, TAPE_START, Tape } from '../fixtures/tape.js';

/** What is said of a hop; what its device had around the newest packet is no part of it. */
function describedHop({ place, headers, ...hop }: Hop): unknown {
  const { device, stage, hook, priority } = place;
  const { netns, ifindex, name, kind } = device;
  return {
    ...hop,
    headers: { ...headers, ipId: hop.ipId, tuple: String(headers.tuple?.id) },
    place: [netns, ifindex, name, kind, stage, hook, priority],
  };
}

/** All that is said of a path, and of its hops, but where it waits and what it is filed by. */
function described(path: Path): string {
  const { columns: _, parent, older: __, newer: ___, earlier: ____, ...fields } = path;
  const about = {
    ...fields,
    dueTick: 0,
    serial: 0,
    earlierSerial: 0,
    bytes: 0,
    openedFor: path.openedFor === null,
    mergedInto: path.mergedInto === null,
    parent: parent?.length ?? null,
    verdict: verdictOf(path, false),
    hops: path.hops.map(describedHop),
  };
  return JSON.stringify(about, (key, value: unknown) => {
    if (value instanceof Tuple) return value.id;
    if (key === 'lastEntry' && value !== null) return (value as Conntrack).address;
    return typeof value === 'bigint' || value === Number.POSITIVE_INFINITY ? String(value) : value;
  });
}

interface Joined {
  readonly paths: readonly string[];
  readonly counters: unknown;
  /** Paths whose hops are another's. */
  readonly shared: number;
}

/**
 * What is made of trails, in the order in which they are handed over. Records that do not lie
 * where words do have no templates.
 */
function joined(batches: readonly Uint8Array[], hasTemplates: boolean): Joined {
  const epoch = new Epoch(TAPE_START);
  const queue = new RecordQueue(epoch);
  const cursor = new RecordCursor(epoch);
  const paths: string[] = [];
  const ways = new Set<unknown>();
  let shared = 0;
  const joiner = new PathJoiner((path) => {
    paths.push(described(path));
    shared += ways.has(path.columns.headers) ? 1 : 0;
    ways.add(path.columns.headers);
    joiner.release(path);
  });
  for (const batch of batches) {
    queue.add(batch, batch.byteLength);
    let now = 0;
    queue.flush((record) => {
      now = record.time;
      if (hasTemplates) {
        joiner.add(record);
        return;
      }
      const moved = new Uint8Array(1 + record.end - record.offset);
      moved.set(record.bytes.subarray(record.offset, record.end), 1);
      cursor.set(new DataView(moved.buffer), moved, 1, moved.length - 1);
      cursor.from = record.from;
      joiner.add(cursor);
      record.rest = cursor.rest;
    });
    joiner.sweep(now);
  }
  joiner.flush();
  return { paths, counters: joiner.counters, shared };
}

const ENTRY = {
  address: 0xffff_8881_2345_6700n,
  status: 0x18a,
  original: { src: ADDRESSES.pod1, dst: ADDRESSES.service, protocol: 17, sport: 1000, dport: 80 },
  reply: { src: ADDRESSES.pod2, dst: ADDRESSES.pod1, protocol: 17, sport: 8080, dport: 1000 },
} as const;

/** What a packet of the flow differs in from the one before. */
interface Packet {
  readonly proto: 'udp' | 'tcp';
  readonly id: number;
  readonly seq: number;
  readonly payload: number;
  readonly mark: number;
  readonly flags: string;
  readonly sport: number;
  readonly isTunnelled: boolean;
  readonly end: 'none' | 'free' | 'take' | 'read' | 'drop';
  readonly buffer: number;
  readonly wait: number;
  readonly change: 'none' | 'id' | 'skip' | 'mtu' | 'back';
}

const mostly = <T>(usual: T, ...others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(usual, ...others) },
  );

const PACKET: fc.Arbitrary<Packet> = fc.record({
  proto: mostly<'udp' | 'tcp'>('udp', 'tcp'),
  id: fc.nat(3),
  seq: fc.nat(3).map((one) => one * 100),
  payload: mostly(10, 11),
  mark: mostly(0, 1),
  flags: mostly('.', 'S', 'F.'),
  sport: mostly(1000, 1001),
  isTunnelled: mostly(true, false),
  end: fc.constantFrom<Packet['end']>('none', 'none', 'none', 'free', 'take', 'read', 'drop'),
  buffer: fc.nat(4),
  wait: mostly(2_000_000, 1_000, 400_000_000),
  change: mostly<Packet['change']>('none', 'id', 'skip', 'mtu', 'back'),
});

/** From one pod to another by a service, and, where it is tunnelled, out of a node. */
function travel(tape: Tape, packet: Packet): void {
  const { proto, id, seq, payload, flags, sport, mark, change } = packet;
  const buffer = 0xffff_8881_0000_0000n + BigInt(packet.buffer * 256);
  const { pod1: src, service: dst } = ADDRESSES;
  const journey = tape
    .packet(
      { ...{ src, dst, proto, id, seq, payload, flags, sport }, dport: 80 },
      { skb: buffer, head: buffer + 64n },
    )
    .set({ sock: 0xabcn, mark })
    .egress(POD1_ETH0)
    .ingress(change === 'mtu' ? { ...CALI1, mtu: 1400 } : CALI1)
    .set({ sock: 0n, ctInfo: 'new', ct: ENTRY })
    .hook(CALI1, 'prerouting')
    .change({ dst: ADDRESSES.pod2, dport: 8080, ttl: 63 });
  if (change === 'id') journey.change({ id: id + 7, seq: seq + 7 });
  if (change !== 'skip') journey.hook(VXLAN111, 'forward');
  if (change === 'back') journey.egress(POD1_ETH0);
  journey.hook(VXLAN111, 'postrouting');
  if (packet.isTunnelled) {
    const tunnel = { type: 'vxlan', id: id * 3 + seq, vni: 42 } as const;
    const { node111, node112 } = ADDRESSES;
    journey
      .egress(VXLAN111)
      .set({ tunnel: { ...tunnel, src: node111, dst: node112 }, head: journey.head + 128n })
      .egress(ENS111);
  } else {
    journey.cross(CALI2, POD2_ETH0).hook(POD2_ETH0, 'input');
  }
  finish(journey, packet);
  tape.wait(packet.wait);
}

function finish(journey: Journey, { end, isTunnelled }: Packet): void {
  if (end === 'free') journey.free();
  if (end === 'take') journey.take(NETNS.pod2);
  if (end === 'read') journey.deliver(NETNS.pod2);
  if (end === 'drop') journey.drop(isTunnelled ? ENS111 : POD2_ETH0, REASONS.NETFILTER_DROP);
}

/** The same of every packet of a stream. */
function stream(count: number, of: (at: number) => Partial<Packet>): Uint8Array {
  const tape = new Tape();
  for (let at = 0; at < count; at++) {
    travel(tape, {
      ...{ proto: 'udp', id: at, seq: 0, payload: 10, mark: 0, flags: '.', sport: 1000 },
      ...{ isTunnelled: true, end: 'none', buffer: at, wait: 2_000_000, change: 'none' },
      ...of(at),
    });
  }
  return tape.grouped();
}

describe('packets of a flow that go the same way', () => {
  test.each([
    ['through a tunnel', () => ({})],
    ['on one node', () => ({ isTunnelled: false })],
    ['over IPv4 without an id', () => ({ id: 0 })],
    ['as segments of a stream', (at: number) => ({ proto: 'tcp' as const, seq: at * 10 })],
    ['to a socket that takes them', () => ({ isTunnelled: false, end: 'take' as const })],
    ['to where they are dropped', () => ({ isTunnelled: false, end: 'drop' as const })],
  ])('share their hops but for times and ids: %s', (_name, of) => {
    const batch = stream(20, of);
    const shared = joined([batch], true);
    const apart = joined([batch], false);
    expect(shared.paths).toHaveLength(20);
    expect(shared.paths).toEqual(apart.paths);
    expect(shared.counters).toEqual(apart.counters);
    expect(apart.shared).toBe(0);
    // What ends otherwise than by silence gets hops of its own after those that were shared.
    expect(shared.shared > 10).toBe(
      !['take', 'drop'].includes(String(of(0 as never)['end' as never])),
    );
  });

  test('have their own id at every hop', () => {
    const ids: number[][] = [];
    const queue = new RecordQueue(new Epoch(TAPE_START));
    const joiner = new PathJoiner((path) => ids.push(path.hops.map(({ ipId }) => ipId)));
    const batch = stream(10, (at) => ({ id: at + 100 }));
    queue.add(batch, batch.byteLength);
    queue.flush((record) => joiner.add(record));
    joiner.flush();
    expect(ids.map((all) => [...new Set(all)])).toEqual(
      Array.from({ length: 10 }, (_, at) => [at + 100]),
    );
  });

  test('whatever changes between them, are what they would be each for itself', () => {
    let shared = 0;
    fc.assert(
      fc.property(
        fc.array(fc.array(PACKET, { minLength: 1, maxLength: 40, size: 'max' }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.array(fc.nat(1), { minLength: 1, maxLength: 7 }),
        fc.boolean(),
        (parts, cpus, isOneCpu) => {
          const tape = new Tape();
          const batches = parts.map((packets) => {
            for (const packet of packets) travel(tape, packet);
            const batch = tape.grouped((at) => (isOneCpu ? 0 : (cpus[at % cpus.length] as number)));
            tape.clear();
            return batch;
          });
          const one = joined(batches, true);
          const other = joined(batches, false);
          expect(one.paths).toEqual(other.paths);
          expect(one.counters).toEqual(other.counters);
          shared += one.shared;
        },
      ),
      { numRuns: 80 },
    );
    expect(shared).toBeGreaterThan(50);
  }, 60_000);

  test('amid whatever else happens to packets', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(ACT, PACKET), { minLength: 20, maxLength: 80, size: 'max' }),
        (acts) => {
          const tape = new Tape();
          const journeys: Journey[] = [];
          for (const [act, packet] of acts) {
            act(tape, journeys);
            travel(tape, packet);
          }
          const batches = [tape.grouped()];
          const one = joined(batches, true);
          const other = joined(batches, false);
          expect(one.paths).toEqual(other.paths);
          expect(one.counters).toEqual(other.counters);
        },
      ),
      { numRuns: 30 },
    );
  }, 60_000);
});

describe('a path that was another packet’s', () => {
  test('is as new', () => {
    const used = new Path(1, new HopColumns());
    for (const [name, value] of Object.entries(used)) {
      if (name === 'columns') continue;
      Object.assign(used, { [name]: typeof value === 'number' ? 12345 : 'used' });
    }
    used.serial = 3;
    const fresh = new Path(2, new HopColumns());
    expect(used.reset(2)).toEqual(Object.assign(fresh, { serial: 4 }));
  });
});
