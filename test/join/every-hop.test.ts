import { describe, expect, test } from 'vitest';
import { PacketFilter } from '../../src/filter/packet-filter.js';
import type { Path } from '../../src/join/path.js';
import { HOP_LIMIT } from '../../src/join/trail-joiner.js';
import * as layout from '../../src/wire/layout.gen.js';
import { ACT, type Act } from '../fixtures/any-journeys.js';
import { FUNCTIONS, Joining, nth, REASONS } from '../fixtures/joined.js';
import { CALI1, NETNS, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';
import { fc } from '../fixtures/properties.js';
import { type Journey, Tape } from '../fixtures/tape.js';

/** Accepts IPv4 of 40 bytes, with or without a link header: a SYN, and little else. */
const SMALL = [
  { code: 0x80, jt: 0, jf: 0, k: 0 },
  { code: 0x25, jt: 0, jf: 1, k: 60 },
  { code: 0x06, jt: 0, jf: 0, k: 0 },
  { code: 0x06, jt: 0, jf: 0, k: 1 },
];

function taped(acts: readonly Act[]): Tape {
  const tape = new Tape();
  const journeys: Journey[] = [];
  for (const act of acts) act(tape, journeys);
  return tape;
}

/** Hops of a path that are its own; those before them are counted where they were made. */
function own(path: Path): number {
  return path.length - path.inherited;
}

/** What the counters say went in without becoming a hop of a path, less what did not go in. */
function counted({ joiner: { counters: c } }: Joining): number {
  const { hopsCut, hopsReleased, hopsMalformed, hopsUndone, hopsRepeated, hopsRefused } = c;
  return (
    hopsCut + hopsReleased + hopsMalformed + hopsUndone + hopsRepeated + hopsRefused - c.hopsRead
  );
}

function sum(paths: readonly Path[]): number {
  return paths.reduce((total, path) => total + own(path), 0);
}

const options = fc.record({
  grouped: fc.boolean(),
  cpus: fc.array(fc.nat(2), { minLength: 1, maxLength: 20 }),
  openPathLimit: fc.constantFrom(1, 2, 5, 1000),
});

function joiningOf(
  {
    grouped,
    cpus,
    openPathLimit,
  }: { grouped: boolean; cpus: readonly number[]; openPathLimit: number },
  more: { readonly filter?: PacketFilter } = {},
): Joining {
  const cpuOf = (index: number): number => nth(cpus, index % cpus.length);
  return new Joining({ grouped, cpuOf, openPathLimit, ...more });
}

/** Reads in parts, with the clock looked at in between, and ends. */
function readIn(joining: Joining, tape: Tape, parts: readonly number[]): void {
  for (const part of parts) {
    const some = tape.split(part);
    joining.read(some);
    joining.joiner.sweep(tape.now);
  }
  joining.end(tape);
}

const parts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 5 });

describe('every hop that goes in is one hop in one path, or in one counter', () => {
  test('whatever happens to packets', () => {
    const met = new Map<string, number>();
    fc.assert(
      fc.property(
        fc.array(ACT, { minLength: 20, maxLength: 150, size: 'max' }),
        options,
        parts,
        fc.boolean(),
        (acts, how, sizes, isFiltered) => {
          const tape = taped(acts);
          const made = tape.hopTimes();
          const filter = isFiltered ? { filter: new PacketFilter('', () => SMALL) } : {};
          const joining = joiningOf(how, filter);
          readIn(joining, tape, sizes);
          const { counters } = joining.joiner;
          for (const [name, count] of Object.entries(counters)) {
            if (typeof count === 'number') met.set(name, (met.get(name) ?? 0) + count);
          }
          expect(counters.hops).toBe(made.length);
          expect(sum(joining.paths)).toBe(counters.hopsFinished);
          expect(counters.hopsFinished + counters.hopsFiltered + counted(joining)).toBe(
            made.length,
          );
          expect(joining.joiner.openPaths).toBe(0);
          expect(joining.queue.waiting).toBe(0);
          if (!isFiltered) {
            expect(counters.hopsFiltered).toBe(0);
            expectOnce(joining.paths, made);
          }
        },
      ),
      { numRuns: 300 },
    );
    // Those that such tapes seldom meet have tests of their own below.
    const often = ['evicted', 'hopsReleased', 'hopsMalformed', 'hopsRefused', 'hopsFiltered'];
    for (const name of [...often, 'hopsFinished', 'hopsRead']) {
      expect([name, met.get(name)]).not.toEqual([name, 0]);
    }
  }, 60_000);

  test('whatever happens to records', () => {
    fc.assert(
      fc.property(
        fc.array(ACT, { minLength: 10, maxLength: 60, size: 'max' }),
        fc.array(fc.tuple(fc.nat(1e6), fc.nat(255)), { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        (acts, damage, grouped) => {
          const tape = taped(acts);
          const batch = grouped ? tape.grouped() : tape.batch();
          for (const [at, byte] of damage) {
            if (batch.length > 0) batch[at % batch.length] = byte;
          }
          const joining = new Joining({ grouped });
          joining.queue.add(batch, batch.length);
          let announced = 0;
          joining.queue.flush((record) => {
            const isNew = record.type === layout.RECORD_TRAIL && record.from === null;
            if (isNew) announced += record.u16(layout.TRAIL_HOPS);
            joining.joiner.add(record);
          });
          joining.joiner.flush();
          const { counters } = joining.joiner;
          expect(counters.hops).toBe(announced);
          expect(sum(joining.paths)).toBe(counters.hopsFinished);
          expect(counters.hopsFinished + counted(joining)).toBe(announced);
        },
      ),
      { numRuns: 300 },
    );
  }, 60_000);
});

/** Each hop is in the path that it was made in, by its time, which no other has. */
function expectOnce(paths: readonly Path[], made: readonly number[]): void {
  const times = new Set(made);
  const seen = new Set<number>();
  let read = 0;
  for (const path of paths) {
    for (const { time, stage } of path.hops) {
      if (!times.has(time)) {
        // The record of a reader, which is no hop on the tape.
        expect(stage).toBe(layout.STAGE_DELIVER);
        if (!seen.has(time)) read += 1;
      }
      seen.add(time);
    }
  }
  // As many different ones as paths have of their own: none is in two.
  expect(seen.size).toBe(sum(paths));
  expect(seen.size - read).toBeLessThanOrEqual(made.length);
}

describe('each cause has its counter', () => {
  const udp = { proto: 'udp', src: '10.0.0.1', dst: '10.0.0.2', sport: 1, dport: 2 } as const;

  test('one past the hops of a path is cut', () => {
    const tape = new Tape();
    const journey = tape.packet({ ...udp, id: 1 });
    for (let at = 0; at <= HOP_LIMIT; at++) journey.egress(POD1_ETH0);
    const joining = new Joining().end(tape);
    expect(joining.joiner.counters).toMatchObject({
      hops: HOP_LIMIT + 1,
      hopsCut: 1,
      hopsFinished: HOP_LIMIT,
    });
  });

  test('a delivery where no socket can be', () => {
    const tape = new Tape();
    tape
      .packet({ ...udp, id: 1 })
      .egress(POD1_ETH0)
      .take(NETNS.pod1);
    expect(new Joining().end(tape).joiner.counters).toMatchObject({
      hops: 2,
      hopsRefused: 1,
      hopsFinished: 1,
    });
  });

  test('a delivery in another namespace', () => {
    const tape = new Tape();
    tape
      .packet({ ...udp, id: 1 })
      .ingress(POD2_ETH0)
      .take(NETNS.pod1);
    expect(new Joining().end(tape).joiner.counters).toMatchObject({ hopsRefused: 1 });
  });

  test('a second delivery, first by the kernel and then by a reader', () => {
    const tape = new Tape();
    const journey = tape.packet({ ...udp, id: 1 }).ingress(POD2_ETH0);
    journey.take(NETNS.pod2).take(NETNS.pod2).deliver(NETNS.pod2);
    expect(new Joining().end(tape).joiner.counters).toMatchObject({
      hops: 3,
      hopsRepeated: 1,
      hopsRead: 0,
      hopsFinished: 2,
    });
  });

  test('a delivery that only a record shows', () => {
    const tape = new Tape();
    tape
      .packet({ ...udp, id: 1 })
      .ingress(POD2_ETH0)
      .deliver(NETNS.pod2);
    expect(new Joining().end(tape).joiner.counters).toMatchObject({
      hops: 1,
      hopsRead: 1,
      hopsFinished: 2,
    });
  });

  test('a drop that a reader had proved to be none before it came', () => {
    const tape = new Tape();
    tape
      .packet({ ...udp, id: 1 })
      .ingress(POD2_ETH0)
      .deliver(NETNS.pod2)
      .drop(POD2_ETH0, REASONS.NO_SOCKET, { dataref: 1 });
    // On the tape are the device, the hop, the record of the reader and the drop.
    const joining = new Joining({ grouped: true, cpuOf: (index) => (index === 2 ? 1 : 0) });
    expect(joining.end(tape).joiner.counters).toMatchObject({
      hops: 2,
      hopsUndone: 1,
      hopsRead: 1,
      hopsFinished: 2,
    });
  });

  test('a clone that a raw socket refuses, and a fragment that is released', () => {
    const tape = new Tape();
    const journey = tape.packet({ ...udp, id: 1 }).ingress(POD2_ETH0);
    journey.clone().drop(POD2_ETH0, REASONS.SOCKET_FILTER);
    journey.drop(POD2_ETH0, REASONS.NOT_SPECIFIED, { location: FUNCTIONS.skb_release_data });
    expect(new Joining().end(tape).joiner.counters).toMatchObject({
      hops: 3,
      hopsReleased: 2,
      copiesRefused: 1,
      hopsFinished: 1,
    });
  });

  test('a delivery of a buffer that nothing is known of', () => {
    const tape = new Tape();
    tape.packet({ ...udp, id: 1 }).take(NETNS.pod2);
    expect(new Joining().end(tape).joiner.counters).toMatchObject({ hops: 1, hopsMalformed: 1 });
  });

  test('hops that a clone shares with its packet are counted once', () => {
    const tape = new Tape();
    const journey = tape
      .packet({ ...udp, id: 1 })
      .egress(POD1_ETH0)
      .ingress(CALI1);
    journey.clone().egress(POD2_ETH0);
    const joining = new Joining().end(tape);
    expect(joining.paths.map((path) => [path.length, path.inherited])).toEqual([
      [2, 0],
      [3, 2],
    ]);
    expect(joining.joiner.counters).toMatchObject({ hops: 3, hopsFinished: 3 });
  });

  test('a packet that the filter does not want', () => {
    const tape = new Tape();
    tape
      .packet({ ...udp, id: 1, payload: 500 })
      .egress(POD1_ETH0)
      .ingress(CALI1);
    const filter = new PacketFilter('', () => SMALL);
    const joining = new Joining({ filter }).end(tape);
    expect(joining.paths).toEqual([]);
    expect(joining.joiner.counters).toMatchObject({ hops: 2, hopsFiltered: 2, hopsFinished: 0 });
  });

  test('a trail whose rest cannot be read', () => {
    const tape = new Tape();
    tape
      .packet({ ...udp, id: 1 })
      .egress(POD1_ETH0)
      .ingress(CALI1)
      .hook(CALI1, 'forward', [1]);
    const batch = tape.grouped();
    const joining = new Joining();
    joining.queue.add(batch, batch.length);
    joining.queue.flush((record) => {
      if (record.type === layout.RECORD_TRAIL) {
        // The hop after the first, which has a snapshot of 42 bytes and a link header's length.
        const second = layout.SIZEOF_TRAIL + layout.SIZEOF_HOP + layout.SIZEOF_SNAPSHOT + 48;
        record.bytes[record.offset + second + layout.HOP_STAGE] = 9;
      }
      joining.joiner.add(record);
    });
    joining.joiner.flush();
    expect(joining.joiner.counters).toMatchObject({ hops: 3, hopsMalformed: 2, hopsFinished: 1 });
  });
});
