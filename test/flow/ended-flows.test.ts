import { expect, test } from 'vitest';
import { ENDED_NS, type EndedLimits, NOTABLE_TIMES } from '../../src/flow/ended-flows.js';
import type { Flow } from '../../src/flow/flow.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { IDLE_NS } from '../../src/flow/idle-expiry.js';
import type { Path } from '../../src/join/path.js';
import { PathMaker } from '../fixtures/path-of.js';
import { CALI1, type Place, POD1_ETH0 } from '../fixtures/places.js';

const maker = new PathMaker();

function path(n: number, ...more: readonly Place[]): Path {
  const src = `10.0.${n >>> 8}.${n & 255}`;
  const tuple = maker.tuple({ src, dst: '10.9.9.9', sport: 5, dport: 53 }, 'udp');
  return maker.path(
    [POD1_ETH0, ...more].map((place) => maker.egress(place, tuple)),
    { proto: 'udp' },
  );
}

function tableOf(ended: EndedLimits, removed: Flow[] = []): FlowTable {
  return new FlowTable(maker.tuples, { ended, onRemove: (flow) => removed.push(flow) });
}

function age(table: FlowTable, now: number): void {
  while (table.expireIdle(now)) {
    // until nothing is due
  }
}

test('a flow that has ended stays for readers, with its packets, and no packet finds it', () => {
  const removed: Flow[] = [];
  const table = tableOf({}, removed);
  const flow = table.add(path(1, CALI1)).flow as Flow;
  const { id } = flow;
  const { version } = table;
  const end = maker.now + IDLE_NS.other + 1;
  age(table, end);
  expect([table.size, table.ended]).toEqual([0, 1]);
  expect(removed).toEqual([flow]);
  expect(table.get(id)?.hasEnded).toBe(true);
  expect(table.recentPaths(flow)).toHaveLength(1);
  // Readers hear of the change, and of no removal.
  expect(table.changedSince(version).map((one) => one.id)).toEqual([id]);
  expect(table.removedSince(version)).toEqual([]);
  const next = table.add(path(1)).flow as Flow;
  expect(next.id).not.toBe(id);
  expect([table.size, table.ended]).toEqual([1, 1]);
  age(table, end + ENDED_NS - 1e9);
  expect(table.get(id)?.hasEnded).toBe(true);
  age(table, end + ENDED_NS + 1e9);
  expect(table.get(id)).toBeUndefined();
  expect(table.removedSince(version)).toContain(id);
});

test('past the limit the one that ended first goes, counted', () => {
  const table = tableOf({ limit: 2 });
  const flows = [11, 12, 13].map((n) => table.add(path(n)).flow as Flow);
  const ids = flows.map((flow) => flow.id);
  age(table, maker.now + IDLE_NS.other + 1);
  expect([table.ended, table.counters.endedEvicted]).toEqual([2, 1]);
  expect(ids.filter((id) => table.get(id) === undefined)).toHaveLength(1);
});

test('a flow with drops is kept longest', () => {
  const table = tableOf({ limit: 2 });
  const dropped = path(20);
  dropped.dropped = true;
  dropped.columns.drop = { reason: 2, location: 0n };
  const { id } = table.add(dropped).flow as Flow;
  let now = maker.now + IDLE_NS.other + 1;
  age(table, now);
  for (const n of [21, 22, 23]) table.add(path(n));
  now = maker.now + IDLE_NS.other + 1;
  age(table, now);
  expect([table.ended, table.get(id)?.hasEnded]).toEqual([2, true]);
  age(table, now + ENDED_NS + 2e9);
  expect([table.ended, table.get(id)?.hasEnded]).toEqual([1, true]);
  age(table, now + ENDED_NS * NOTABLE_TIMES + 2e9);
  expect(table.ended).toBe(0);
});

test('ended flows make room for others before any that goes on', () => {
  const probe = new FlowTable(maker.tuples);
  probe.add(path(31));
  // An eighth is for histories.
  const limitBytes = probe.bytes * 3.6;
  age(probe, 1e15);
  const table = new FlowTable(maker.tuples, { ended: {}, limitBytes });
  table.add(path(32));
  age(table, maker.now + IDLE_NS.other + 1);
  expect(table.ended).toBe(1);
  for (const n of [33, 34, 35]) table.add(path(n));
  expect([table.size, table.ended]).toEqual([3, 0]);
  expect([table.counters.evicted, table.counters.endedEvicted]).toEqual([0, 1]);
});

test('nothing is left of bytes and tuples when all have gone', () => {
  const { held } = maker.tuples;
  const table = tableOf({});
  for (let n = 0; n < 50; n++) table.add(path(1_000 + n, CALI1));
  age(table, maker.now + IDLE_NS.other + 1);
  expect([table.size, table.ended]).toEqual([0, 50]);
  expect(table.memory.endedFlows.bytes).toBe(table.bytes);
  age(table, maker.now + ENDED_NS * NOTABLE_TIMES * 2);
  expect([table.ended, table.bytes, table.recentBytes]).toEqual([0, 0, 0]);
  expect(maker.tuples.held).toBe(held);
});
