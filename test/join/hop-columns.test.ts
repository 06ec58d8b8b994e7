import { describe, expect, test } from 'vitest';
import { Device } from '../../src/join/device-table.js';
import type { Headers } from '../../src/join/headers.js';
import { HopColumns } from '../../src/join/hop-columns.js';
import { NO_HOOK, PlaceTable } from '../../src/join/place.js';
import * as layout from '../../src/wire/layout.gen.js';
import { fc } from '../fixtures/properties.js';

const places = new PlaceTable();

/** A hop that says its number in every column. */
function push(columns: HopColumns, time: number, number: number): void {
  const device = new Device(number, 1, number);
  device.mtu = 1000 + number;
  columns.push(
    time,
    places.of(device, layout.STAGE_EGRESS, NO_HOOK, 0),
    { ipId: number } as Headers,
    number % 2 === 0
      ? null
      : { info: 0, status: number, zone: 0, address: 1, original: null, reply: null },
    number * 10,
    number * 100,
    number % 256,
  );
}

/** The numbers of the hops, after a look that all their columns agree. */
function numbers(columns: HopColumns): number[] {
  return columns.toArray().map((hop) => {
    const number = hop.ipId;
    expect(hop).toMatchObject({ len: number * 10, mark: number * 100, ttl: number % 256 });
    expect([hop.mtu, hop.place.device.ifindex]).toEqual([1000 + number, number]);
    expect(hop.ct?.status ?? null).toBe(number % 2 === 0 ? null : number);
    return number;
  });
}

function filled(count: number, from = 1): HopColumns {
  const columns = new HopColumns();
  for (let at = 0; at < count; at++) push(columns, (from + at) * 100, from + at);
  return columns;
}

describe('columns', () => {
  test('grow past their first capacity, and lose nothing', () => {
    const columns = filled(200);
    expect(columns.length).toBe(200);
    expect(numbers(columns)).toEqual(Array.from({ length: 200 }, (_, at) => at + 1));
    expect(columns.at(199).time).toBe(20_000);
  });

  test('say how many bytes they are, more when they have grown', () => {
    const before = new HopColumns().byteLength;
    expect(before).toBeGreaterThan(0);
    expect(filled(49).byteLength).toBe(2 * before);
  });

  test('serve the next packet after a clear', () => {
    const columns = filled(60);
    columns.drop = { reason: 1, location: 2n };
    columns.clear();
    expect([columns.length, columns.toArray(), columns.drop]).toEqual([0, [], null]);
    push(columns, 5, 9);
    expect(numbers(columns)).toEqual([9]);
    expect(columns.at(0).drop).toBeNull();
  });

  test('have a drop at their last hop only, and none after it is removed', () => {
    const columns = filled(2);
    columns.drop = { reason: 7, location: 9n };
    expect(columns.toArray().map(({ reason, location }) => [reason, location])).toEqual([
      [0, 0n],
      [7, 9n],
    ]);
    columns.pop();
    expect([columns.length, columns.drop]).toEqual([1, null]);
    expect(columns.at(0).reason).toBe(0);
  });

  test('find the last hop at or before a time', () => {
    const columns = filled(3);
    expect([99, 100, 101, 300, 1e9].map((time) => columns.indexAt(time))).toEqual([-1, 0, 0, 2, 2]);
    expect(new HopColumns().indexAt(5)).toBe(-1);
  });
});

describe('a hop that comes late', () => {
  test('is put where its time belongs, after those of the same time', () => {
    const columns = filled(3);
    push(columns, 100, 9);
    columns.settleLast();
    expect(numbers(columns)).toEqual([1, 9, 2, 3]);
    push(columns, 50, 8);
    columns.settleLast();
    expect(numbers(columns)).toEqual([8, 1, 9, 2, 3]);
    push(columns, 300, 7);
    columns.settleLast();
    expect(numbers(columns)).toEqual([8, 1, 9, 2, 3, 7]);
  });

  test('at the border of the capacity', () => {
    const columns = filled(48);
    push(columns, 50, 99);
    columns.settleLast();
    expect(numbers(columns)).toEqual([99, ...Array.from({ length: 48 }, (_, at) => at + 1)]);
  });

  test('whatever the order of arrival, they stand in the order of their times', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 120, size: 'max' }), (times) => {
        const columns = new HopColumns();
        times.forEach((time, at) => {
          push(columns, time, at + 1);
          columns.settleLast();
        });
        const expected = times
          .map((time, at) => ({ time, number: at + 1 }))
          .sort((a, b) => a.time - b.time || a.number - b.number);
        expect(numbers(columns)).toEqual(expected.map(({ number }) => number));
      }),
      { numRuns: 50 },
    );
  });
});

describe('hops of the packet it branched from', () => {
  test('come before its own', () => {
    const columns = filled(2, 11);
    columns.inherit(filled(5), 3);
    expect(numbers(columns)).toEqual([1, 2, 3, 11, 12]);
    push(columns, 5_000, 13);
    expect(numbers(columns)).toEqual([1, 2, 3, 11, 12, 13]);
  });

  test('are none, or all, or more than there is room for', () => {
    const none = filled(1, 11);
    none.inherit(filled(5), 0);
    expect(numbers(none)).toEqual([11]);
    const empty = new HopColumns();
    empty.inherit(filled(5), 5);
    expect(numbers(empty)).toEqual([1, 2, 3, 4, 5]);
    const many = filled(40, 101);
    many.inherit(filled(90), 90);
    expect(many.length).toBe(130);
    expect(numbers(many).slice(88, 92)).toEqual([89, 90, 101, 102]);
  });

  test('are not altered by what the branch does with them', () => {
    const parent = filled(3);
    const branch = new HopColumns();
    branch.inherit(parent, 3);
    branch.headers[0] = { ipId: 77 } as Headers;
    branch.mark[1] = 5;
    expect(numbers(parent)).toEqual([1, 2, 3]);
  });

  test('where the columns held a longer packet before', () => {
    const columns = filled(30);
    columns.clear();
    push(columns, 1_000, 11);
    columns.inherit(filled(2), 2);
    expect(numbers(columns)).toEqual([1, 2, 11]);
  });
});
