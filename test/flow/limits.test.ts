import { describe, expect, test } from 'vitest';
import { ENCAPSULATION_LIMIT, REASON_LIMIT } from '../../src/flow/accounting.js';
import { KEY_LIMIT } from '../../src/flow/bindings.js';
import type { FinishedPath } from '../../src/flow/finished-path.js';
import type { Flow } from '../../src/flow/flow.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { EXPIRY_BATCH, IDLE_NS } from '../../src/flow/idle-expiry.js';
import { LEG_LIMIT } from '../../src/flow/legs.js';
import { RECENT_PATHS_PER_FLOW } from '../../src/flow/recent-paths.js';
import type { Path } from '../../src/join/path.js';
import { nth } from '../fixtures/joined.js';
import { PathMaker, type Step } from '../fixtures/path-of.js';
import { CALI1, type Place, POD1_ETH0 } from '../fixtures/places.js';

const maker = new PathMaker();

function tupleOf(n: number) {
  return maker.tuple(
    { src: `10.${n >>> 16}.${(n >>> 8) & 255}.${n & 255}`, dst: '10.9.9.9', sport: 5, dport: 53 },
    'udp',
  );
}

function path(n: number, places: readonly Place[] = [POD1_ETH0]): Path {
  const tuple = tupleOf(n);
  return maker.path(
    places.map((place) => maker.egress(place, tuple)),
    { proto: 'udp' },
  );
}

function manyPlaces(count: number): Place[] {
  return Array.from({ length: count }, (_, n) => ({ ...POD1_ETH0, ifindex: 1_000 + n }));
}

describe('bytes of flows', () => {
  test('past the limit the flow longest without a packet goes, counted', () => {
    const removed: Flow[] = [];
    const probe = new FlowTable(maker.tuples);
    probe.add(path(1));
    const table = new FlowTable(maker.tuples, {
      limitBytes: probe.bytes * 3,
      onRemove: (flow) => removed.push(flow),
    });
    probe.expireIdle(1e15);
    const flows = [11, 12, 13].map((n) => table.add(path(n)).flow as Flow);
    table.add(path(11));
    expect(table.counters.evicted).toBe(0);
    expect(table.bytes).toBe(table.size * (table.bytes / 3));
    table.add(path(14));
    expect(removed).toEqual([flows[1]]);
    expect(table.counters.evicted).toBe(1);
    expect(table.size).toBe(3);
  });

  test('one flow alone may be larger than the limit', () => {
    const table = new FlowTable(maker.tuples, { limitBytes: 1 });
    expect(table.add(path(21)).flow).not.toBeNull();
    table.add(path(22));
    expect([table.size, table.counters.evicted]).toEqual([1, 1]);
  });

  test('are all given back when all flows have gone', () => {
    const { held } = maker.tuples;
    const table = new FlowTable(maker.tuples);
    for (let n = 0; n < 100; n++) {
      table.add(path(3_000 + n, manyPlaces(n % 20)));
      table.add(path(3_000 + n, manyPlaces(20)));
    }
    expect(table.bytes).toBeGreaterThan(100_000);
    while (table.expireIdle(1e15)) {}
    expect([table.size, table.bytes, table.recentBytes]).toEqual([0, 0, 0]);
    expect(maker.tuples.held).toBe(held);
  });
});

describe('recent paths', () => {
  test('bytes past the limit: those kept longest are released, once each, and not shown any more', () => {
    const released: Path[] = [];
    const one = maker.path([maker.egress(POD1_ETH0, tupleOf(31))]).columns.byteLength;
    const table = new FlowTable(maker.tuples, {
      recentBytes: (one + 720) * 3,
      onRelease: (gone) => released.push(gone),
    });
    const all = Array.from({ length: 10 }, (_, n) => table.add(path(4_000 + n)));
    expect(released).toEqual(all.slice(0, 7).map(({ path: gone }) => gone));
    expect(table.recentPaths(nth(all, 0).flow as Flow)).toEqual([]);
    expect(table.recentPaths(nth(all, 9).flow as Flow)).toEqual([all[9]]);
    expect(table.recentBytes).toBe((one + 720) * 3);
  });

  test('every path is either kept or released', () => {
    const released = new Set<Path>();
    const table = new FlowTable(maker.tuples, {
      recentLimit: 50,
      limit: 20,
      onRelease: (gone) => {
        expect(released.has(gone)).toBe(false);
        released.add(gone);
      },
    });
    const given: FinishedPath[] = [];
    for (let n = 0; n < 2_000; n++) {
      const busy = n % 3 === 0 ? 5_000 : 5_000 + ((n * 7) % 60);
      const next = path(busy);
      if (n % 11 === 0) {
        next.columns.clear();
      }
      given.push(table.add(next));
    }
    table.add(path(5_000));
    const kept = new Set(
      table.changedSince(0).flatMap((flow) => table.recentPaths(flow).map((one) => one.path)),
    );
    for (const finished of given) {
      expect(kept.has(finished.path)).not.toBe(released.has(finished.path));
    }
    expect(kept.size).toBeLessThanOrEqual(50);
    const sizes = table.changedSince(0).map((flow) => table.recentPaths(flow).length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(RECENT_PATHS_PER_FLOW);
  });
});

describe('one past the limit of a flow', () => {
  test('a tuple is refused and counted, the packet is not', () => {
    const table = new FlowTable(maker.tuples);
    const first = tupleOf(6_000);
    const steps: Step[] = [maker.egress(POD1_ETH0, first)];
    for (let n = 1; n <= KEY_LIMIT; n++) {
      steps.push(maker.ingress({ ...CALI1, netns: 100 + n }, first));
    }
    const { flow } = table.add(maker.path(steps, { proto: 'udp' }));
    expect(flow?.packets(0)).toBe(1);
    expect(table.counters.keysRefused).toBe(1);
  });

  test('a place is refused and counted, at each path that has it', () => {
    const table = new FlowTable(maker.tuples);
    const places = manyPlaces(LEG_LIMIT + 1);
    const { flow } = table.add(path(7_000, places));
    expect(flow?.legs(0)).toHaveLength(LEG_LIMIT);
    table.add(path(7_000, places));
    table.add(path(7_000, places.slice(1)));
    expect(table.counters.legsRefused).toBe(3);
    expect(flow?.legs(0).map((leg) => leg.packets)).toEqual([2, ...Array(LEG_LIMIT - 1).fill(3)]);
  });

  test('a tunnel and a reason are refused and counted', () => {
    const table = new FlowTable(maker.tuples);
    for (let n = 0; n <= ENCAPSULATION_LIMIT; n++) {
      const tunnelled = path(8_000);
      const headers = nth(tunnelled.columns.headers, 0);
      const outer = { type: 2, src: `192.0.2.${n}`, dst: '192.0.2.255', sport: 1, dport: 4789 };
      tunnelled.columns.headers[0] = {
        ...headers,
        outer: { ...outer, vni: 1, greKey: -1, overhead: 50, srcLow: n, dstLow: 255, key: 0 },
      };
      table.add(tunnelled);
    }
    const flow = nth(table.changedSince(0), 0);
    expect(flow.encapsulations).toHaveLength(ENCAPSULATION_LIMIT);
    expect(table.counters.encapsulationsRefused).toBe(1);
    expect(flow.pathMtu).toBe(POD1_ETH0.mtu - 50);
    for (let reason = 0; reason <= REASON_LIMIT; reason++) {
      const dropped = path(8_000);
      dropped.dropped = true;
      dropped.columns.drop = { reason, location: 0n };
      table.add(dropped);
    }
    expect(flow.reasons.size).toBe(REASON_LIMIT);
    expect(flow.drops(0)).toBe(REASON_LIMIT + 1);
    expect(table.counters.reasonsRefused).toBe(1);
  });
});

test('so many flows are looked at in one call, and the rest in the next', () => {
  const table = new FlowTable(maker.tuples);
  for (let n = 0; n < EXPIRY_BATCH + 100; n++) {
    table.add(path(9_000 + n));
  }
  const end = maker.now + IDLE_NS.other + 1;
  expect(table.expireIdle(end)).toBe(true);
  expect(table.size).toBe(100);
  expect(table.expireIdle(end)).toBe(false);
  expect(table.size).toBe(0);
  expect(table.counters.expired).toBe(EXPIRY_BATCH + 100);
});

test('a flow that has left keeps its numbers, whoever has its place now', () => {
  const gone: Flow[] = [];
  const table = new FlowTable(maker.tuples, { limit: 1, onRemove: (flow) => gone.push(flow) });
  const first = table.add(path(70_001)).flow as Flow;
  const { id, start, last, version } = first;
  const second = table.add(path(70_002)).flow as Flow;
  table.add(path(70_002));
  expect(gone).toEqual([first]);
  expect(first).toMatchObject({ id, start, last, version, slot: -1, state: 'new' });
  expect(table.get(id)).toBeUndefined();
  expect(table.get(second.id)).toBe(second);
});

test('each of very many flows is found by its id, and none that has gone', () => {
  const table = new FlowTable(maker.tuples, { recentLimit: 8 });
  const flows = Array.from({ length: 5_000 }, (_, n) => {
    maker.now += n === 2_500 ? 2e9 : 0;
    return table.add(path(80_000 + n)).flow as Flow;
  });
  expect(flows.every((flow) => table.get(flow.id) === flow)).toBe(true);
  const old = flows.slice(0, 2_500);
  const border = nth(old, old.length - 1).last;
  while (table.expireIdle(border + IDLE_NS.other + 1)) {}
  expect(table.size).toBe(2_500);
  expect(old.some((flow) => table.get(flow.id) !== undefined)).toBe(false);
  expect(flows.slice(2_500).every((flow) => table.get(flow.id) === flow)).toBe(true);
  expect(table.get('no id')).toBeUndefined();
});
