import { describe, expect, test } from 'vitest';
import { isRouted, PROTOCOL_ARP, type Tuple } from '../../src/join/tuple.js';
import { TupleTable } from '../../src/join/tuple-table.js';
import { fc } from '../fixtures/properties.js';

const SECOND = 1e9;

function intern(table: TupleTable, sport: number, src = 0x0a000001): Tuple {
  table.words.fill(0);
  table.words[3] = src;
  table.words[7] = 0x0a000002;
  return table.intern(4, 17, sport, 53);
}

describe('equal tuples are one object', () => {
  test('whatever the fields, and only then', () => {
    const fields = fc.tuple(
      fc.constantFrom(4, 6),
      fc.constantFrom(1, 6, 17),
      fc.integer({ min: -1, max: 3 }),
      fc.integer({ min: -1, max: 3 }),
      fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 8, maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(fields, { maxLength: 60 }), (all) => {
        const table = new TupleTable();
        const known = new Map<string, Tuple>();
        for (const [family, protocol, sport, dport, words] of all) {
          table.words.set(words);
          const tuple = table.intern(family, protocol, sport, dport);
          const key = JSON.stringify([family, protocol, sport, dport, words]);
          expect(known.get(key) ?? tuple).toBe(tuple);
          known.set(key, tuple);
        }
        expect(new Set(known.values()).size).toBe(known.size);
        expect(table.size).toBe(known.size);
      }),
    );
  });

  test('reversed twice is the same again', () => {
    const table = new TupleTable();
    const tuple = intern(table, 1000);
    const reversed = tuple.reversed(table);
    expect(reversed).toMatchObject({ src: '10.0.0.2', dst: '10.0.0.1', sport: 53, dport: 1000 });
    expect(reversed.reversed(table)).toBe(tuple);
    expect(tuple.sameSource(reversed)).toBe(false);
    expect(tuple.sameDestination(tuple)).toBe(true);
  });
});

describe('routed', () => {
  const PEER = { 4: [0, 0, 0, 0x0a000002], 6: [0x20010db8, 0, 0, 2] } as const;
  test.each([
    [4, [0, 0, 0, 0x0af499cc], true],
    [4, [0, 0, 0, 0xdfffffff], true],
    [4, [0, 0, 0, 0], false],
    [4, [0, 0, 0, 0x7f000001], false],
    [4, [0, 0, 0, 0xa9fe0001], false],
    [4, [0, 0, 0, 0xe00000fb], false],
    [4, [0, 0, 0, 0xffffffff], false],
    [6, [0x20010db8, 0, 0, 1], true],
    [6, [0xfd000000, 0, 0, 0], true],
    [6, [0, 0, 0, 0], false],
    [6, [0, 0, 0, 1], false],
    [6, [0xfe800000, 0, 0, 1], false],
    [6, [0xfebfffff, 0, 0, 1], false],
    [6, [0xff020000, 0, 0, 1], false],
  ] as const)('family %s, %s: %s', (family, words, expected) => {
    const table = new TupleTable();
    table.words.set([...words, ...PEER[family]]);
    const tuple = table.intern(family, 17, 1, 2);
    expect(isRouted(tuple)).toBe(expected);
    expect(isRouted(tuple.reversed(table))).toBe(expected);
  });
});

describe('one past the limit', () => {
  test('those out of use and without a flow go first', () => {
    const table = new TupleTable(3);
    table.now = 0;
    const bound = intern(table, 1);
    const number = table.hold(bound);
    const idle = intern(table, 2);
    table.now = 10 * SECOND;
    const inUse = intern(table, 3);
    expect(idle.interned).toBe(true);
    intern(table, 4);
    intern(table, 5);
    expect(table.refused).toBe(0);
    expect([bound.interned, idle.interned]).toEqual([false, false]);
    expect(intern(table, 3)).toBe(inUse);
    expect([table.size, table.held]).toEqual([3, 1]);
    // As an object it is another; what a flow holds keeps its number.
    expect(table.numberOf(bound)).toBe(number);
    expect(table.at(number).equals(bound)).toBe(true);
    expect(table.numberOf(idle)).toBe(-1);
  });

  test('a table full of tuples in use keeps them, refuses and counts', () => {
    const table = new TupleTable(4);
    const kept = [1, 2, 3, 4].map((sport) => intern(table, sport));
    const refused = intern(table, 5);
    expect(refused).toMatchObject({ sport: 5, src: '10.0.0.1', interned: false });
    expect(table.refused).toBe(1);
    expect(table.size).toBe(4);
    expect(intern(table, 5)).not.toBe(refused);
    expect([1, 2, 3, 4].map((sport) => intern(table, sport))).toEqual(kept);
  });

  test('room that comes free later is used again, and so are its numbers', () => {
    const table = new TupleTable(8);
    const all = Array.from({ length: 8 }, (_, sport) => intern(table, sport));
    intern(table, 100);
    expect(table.refused).toBe(1);
    table.now = 60 * SECOND;
    const ids = new Set(all.map(({ id }) => id));
    const later = Array.from({ length: 8 }, (_, index) => intern(table, 200 + index));
    expect(table.refused).toBe(1);
    expect(later.every(({ id }) => ids.has(id))).toBe(true);
    expect(intern(table, 200)).toBe(later[0]);
  });
});

describe('a tuple and its reverse', () => {
  test('have numbers that differ in the lowest bit only, whichever is first', () => {
    const table = new TupleTable();
    for (let sport = 1; sport <= 1_000; sport++) {
      const tuple = intern(table, sport);
      const reversed = tuple.reversed(table);
      expect(reversed.id).toBe(tuple.id ^ 1);
      expect(reversed.reversed(table)).toBe(tuple);
    }
    expect(table.size).toBe(2_000);
  });

  test('one that is its own reverse has one number', () => {
    const table = new TupleTable();
    table.words.fill(0);
    const tuple = table.intern(4, 17, 53, 53);
    expect(tuple.reversed(table)).toBe(tuple);
    expect(table.size).toBe(1);
  });

  test('keep their numbers while a flow holds one of them', () => {
    const table = new TupleTable(2);
    const tuple = intern(table, 1);
    const reversed = tuple.reversed(table);
    const number = table.hold(tuple);
    table.now = 60 * SECOND;
    for (let sport = 2; sport < 50; sport++) {
      intern(table, sport);
      table.now += 10 * SECOND;
    }
    expect([tuple.interned, reversed.interned]).toEqual([false, false]);
    expect([tuple, reversed].map((one) => table.numberOf(one))).toEqual([number, number ^ 1]);
    expect(table.held).toBe(1);
    table.release(number);
    expect(table.held).toBe(0);
    expect([tuple, reversed].map((one) => table.numberOf(one))).toEqual([-1, -1]);
  });

  test('one that went is made anew, the same for all who ask', () => {
    const table = new TupleTable(1);
    const tuple = intern(table, 1);
    table.now = 60 * SECOND;
    intern(table, 2);
    expect(tuple.interned).toBe(false);
    table.now = 120 * SECOND;
    const again = tuple.reversed(table);
    expect(again).toMatchObject({ src: '10.0.0.2', dport: 1 });
    expect(table.internReversed(tuple)).toBe(again);
  });
});

describe('as a record', () => {
  test('ports of TCP and UDP', () => {
    expect(intern(new TupleTable(), 1000).toRecord(null)).toEqual({
      proto: 'udp',
      src: '10.0.0.1',
      dst: '10.0.0.2',
      sport: 1000,
      dport: 53,
      icmp: null,
    });
  });

  test('ICMP has no ports, its identifier is not one', () => {
    const table = new TupleTable();
    table.words.fill(0);
    const echo = table.intern(4, 1, 7, 7);
    expect(echo.icmpId).toBe(7);
    expect(echo.toRecord({ type: 8, code: 0, seq: 3, mtu: -1 })).toMatchObject({
      proto: 'icmp',
      sport: null,
      dport: null,
      icmp: { type: 8, code: 0, id: 7, seq: 3 },
    });
    const unreachable = table.intern(4, 1, -1, -1);
    expect(unreachable.toRecord({ type: 3, code: 1, seq: -1, mtu: -1 }).icmp).toEqual({
      type: 3,
      code: 1,
      id: null,
      seq: null,
    });
  });

  test('what has no ports has none', () => {
    const table = new TupleTable();
    table.words.fill(0);
    expect(table.intern(4, 50, -1, -1).toRecord(null)).toMatchObject({
      proto: 'esp',
      sport: null,
      dport: null,
    });
    expect(table.intern(4, PROTOCOL_ARP, -1, -1).protocolName).toBe('arp');
  });
});
