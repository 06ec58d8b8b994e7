import type { FlowRecord } from 'hopscope-protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import type { NameChange } from '../../src/name/cluster-names.js';
import { Names } from '../../src/name/names.js';
import { ChangedNames } from '../../src/serve/row-names.js';
import type { RowBatch } from '../../src/serve/row-reader.js';
import { RowTable } from '../../src/serve/row-table.js';
import { rowUpdate } from './fixture-collector.js';
import { droppedFlow, serviceFlow } from './fixture-feed.js';

let table: RowTable;
let now: number;

beforeEach(() => {
  table = new RowTable(4);
  now = 0;
});

function give(
  flows: readonly FlowRecord[],
  options: { removed?: readonly string[]; old?: boolean; behind?: number; reset?: boolean } = {},
): void {
  const batch: RowBatch = {
    updates: flows.map((flow) => rowUpdate(flow, options.old ?? false)),
    removed: options.removed ?? [],
    total: 0,
    ended: 0,
    behind: options.behind ?? 0,
    reset: options.reset ?? false,
    timeMs: now,
    newestNs: 0,
  };
  table.apply(batch);
}

/** A flow begun after the table was first filled. */
function later(id: string, packets: number): FlowRecord {
  const flow = serviceFlow(id, packets);
  return { ...flow, start: String(BigInt(flow.start) + 1n) };
}

function newestFirst(): string[] {
  return [...table.byRecency()].map((slot) => table.row(slot)?.id ?? 'none');
}

describe('rates', () => {
  test('are unknown at first, then over the time that passed, then nought', () => {
    give([serviceFlow('a', 10)]);
    expect(table.rates('a')).toBeNull();
    now = 2000;
    give([serviceFlow('a', 40)]);
    table.measure();
    // 30 packets of 60 and of 600 bytes in two seconds.
    expect(table.rates('a')).toEqual({
      original: { packetsPerSecond: 15, bytesPerSecond: 900 },
      reply: { packetsPerSecond: 15, bytesPerSecond: 9000 },
    });
    expect(table.row(0)).toMatchObject({ packetsPerSecond: 30, bytesPerSecond: 9900 });
    now = 3000;
    give([]);
    table.measure();
    expect(table.row(0)).toMatchObject({ packetsPerSecond: 0, bytesPerSecond: 0 });
  });

  test('of a flow that began since count all its packets', () => {
    give([]);
    now = 1000;
    give([]);
    now = 1100;
    give([later('a', 7)]);
    now = 2000;
    give([]);
    table.measure();
    expect(table.rates('a')?.original.packetsPerSecond).toBe(7);
  });

  test('of a flow that began before are unknown until it has been seen twice', () => {
    give([]);
    now = 1100;
    give([serviceFlow('a', 7)]);
    table.measure();
    expect(table.rates('a')).toBeNull();
  });

  test('are unknown when a count falls, since the flow was met again', () => {
    give([serviceFlow('a', 7)]);
    now = 1000;
    give([serviceFlow('a', 2)]);
    table.measure();
    expect(table.rates('a')?.original).toEqual({ packetsPerSecond: null, bytesPerSecond: null });
  });

  test('do not fall to nought while changed rows wait with the collector', () => {
    give([serviceFlow('a', 0)]);
    now = 1000;
    give([serviceFlow('a', 10)]);
    table.measure();
    now = 2000;
    give([], { behind: 1 });
    table.measure();
    expect(table.rates('a')?.original.packetsPerSecond).toBe(10);
    now = 3000;
    give([serviceFlow('a', 30)]);
    table.measure();
    // 20 packets in the two seconds since it last came.
    expect(table.rates('a')?.original.packetsPerSecond).toBe(10);
  });

  test('do not span a time when nobody watched', () => {
    give([serviceFlow('a', 7)]);
    table.clear();
    expect(table.size).toBe(0);
    now = 60_000;
    give([serviceFlow('a', 9)], { reset: true });
    table.measure();
    expect([table.size, table.rates('a')]).toEqual([1, null]);
  });
});

describe('the order of change', () => {
  test('is that in which rows came, those that fill the table last', () => {
    give([serviceFlow('a', 1), serviceFlow('b', 1)]);
    give([serviceFlow('old', 1), serviceFlow('older', 1)], { old: true });
    expect(newestFirst()).toEqual(['b', 'a', 'old', 'older']);
    give([serviceFlow('a', 2), serviceFlow('older', 2)]);
    expect(newestFirst()).toEqual(['older', 'a', 'b', 'old']);
    give([], { removed: ['a', 'never'] });
    expect(newestFirst()).toEqual(['older', 'b', 'old']);
  });

  test('one row too many takes the place of the longest unchanged one', () => {
    const gone: string[] = [];
    table.listen({
      changed: () => undefined,
      removed: (_slot, id) => gone.push(id),
      cleared: () => undefined,
    });
    give(['a', 'b', 'c', 'd'].map((id) => serviceFlow(id, 1)));
    give([serviceFlow('a', 2), serviceFlow('e', 1)]);
    expect([newestFirst(), gone, table.evicted]).toEqual([['e', 'a', 'd', 'c'], ['b'], 1]);
    // What fills the table is older than all it has.
    give([serviceFlow('f', 1)], { old: true });
    expect([newestFirst(), table.evicted]).toEqual([['e', 'a', 'd', 'c'], 2]);
  });
});

test('the row of a dropped flow says so, with the most frequent reason', () => {
  const reasons = { NO_SOCKET: '1', NETFILTER_DROP: '4' };
  const dropped = { ...droppedFlow('d', 5), drops: { original: '5', reply: '0', reasons } };
  const { drops } = droppedFlow('l', 5);
  give([dropped, { ...serviceFlow('l', 50), drops }]);
  expect([table.row(0), table.row(1)]).toMatchObject([
    { id: 'd', verdict: 'dropped', dropReason: 'NETFILTER_DROP', drops: '5', p50: null },
    { id: 'l', verdict: 'lossy', dropReason: 'NETFILTER_DROP' },
  ]);
  expect(JSON.parse(table.json(1) ?? '')).toEqual(table.row(1));
});

describe('flows that have ended', () => {
  const ended = (id: string): FlowRecord => ({ ...serviceFlow(id, 1), ended: true });

  test('come after those that go on, and give up their rows first', () => {
    give([serviceFlow('quiet', 1), ended('x'), serviceFlow('a', 1), ended('y')]);
    expect(newestFirst()).toEqual(['a', 'quiet', 'y', 'x']);
    give([serviceFlow('b', 1)]);
    expect(newestFirst()).toEqual(['b', 'a', 'quiet', 'y']);
    give([serviceFlow('c', 1)]);
    give([serviceFlow('d', 1)]);
    expect(newestFirst()).toEqual(['d', 'c', 'b', 'a']);
    expect(table.evicted).toBe(3);
  });

  test('make room for a flow of the fill that goes on, and not for one that has ended', () => {
    give([serviceFlow('a', 1), ended('x'), ended('y'), serviceFlow('b', 1)]);
    give([ended('z')], { old: true });
    expect(newestFirst()).toEqual(['b', 'a', 'y', 'x']);
    give([serviceFlow('old', 1)], { old: true });
    expect(newestFirst()).toEqual(['b', 'a', 'old', 'y']);
  });
});

describe('names that come after their rows', () => {
  const names = new Names(EMPTY_CATALOG);
  const called = (ip: string, name: string): NameChange => ({
    endpoints: [[ip, [{ ip, name, kind: 'pod', node: 'n1', namespace: 'shop' }]]],
    services: [],
  });
  let changes: number[];
  beforeEach(() => {
    changes = [];
    table.listen({
      changed: (slot) => changes.push(slot),
      removed: () => undefined,
      cleared: () => undefined,
    });
    give([serviceFlow('a', 1, 1), droppedFlow('b', 2), serviceFlow('c', 3, 3)]);
    changes.length = 0;
  });

  /** Looks through all slots, two at a time. */
  function rename(change: NameChange | null): void {
    const changed = new ChangedNames();
    if (change === null) changed.addAll();
    else {
      names.cluster.change(change);
      changed.add(change);
    }
    for (let at: number | null = 0; at !== null; ) at = table.rename(changed, names, at, 2);
  }

  test('are given to those that they concern, which are sent again', () => {
    const address = table.row(0)?.src.address ?? '';
    rename(called(address, 'web-1'));
    const concerned = [0, 1, 2].filter((slot) => table.row(slot)?.src.address === address);
    expect(changes).toEqual(concerned);
    expect(table.row(0)).toMatchObject({ srcName: 'web-1', srcNode: 'n1' });
    expect(table.row(0)?.tags).toContain('ns:shop');
    expect(JSON.parse(table.json(0) ?? '')).toMatchObject({ srcName: 'web-1' });
  });

  test('of nobody here change nothing, and neither do names that are as before', () => {
    rename(null);
    changes.length = 0;
    rename(called('203.0.113.9', 'elsewhere'));
    rename(null);
    expect(changes).toEqual([]);
  });
});
