import { describe, expect, test } from 'vitest';
import type { Flow } from '../../src/flow/flow.js';
import { COARSE_POINTS, FINE_NS, FINE_POINTS, FlowHistories } from '../../src/flow/flow-history.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import { LegSample, SAMPLE_LIMIT } from '../../src/flow/leg-sample.js';
import type { Path } from '../../src/join/path.js';
import { PathMaker } from '../fixtures/path-of.js';
import { CALI1, POD1_ETH0 } from '../fixtures/places.js';

function makerOf(): { maker: PathMaker; at: (time: number, n?: number) => Path } {
  const maker = new PathMaker();
  const at = (time: number, n = 1): Path => {
    const ends = { src: `10.0.0.${n}`, dst: '10.9.9.9', sport: 5, dport: 53 };
    const tuple = maker.tuple(ends, 'udp');
    return maker.path([maker.egress(POD1_ETH0, tuple), maker.ingress(CALI1, tuple)], {
      proto: 'udp',
      start: time,
    });
  };
  return { maker, at };
}

describe('the history of a flow', () => {
  test('has its packets in the steps in which they passed, and its legs', () => {
    const { maker, at } = makerOf();
    const table = new FlowTable(maker.tuples, { ended: {} });
    for (const second of [1, 2, 11, 12, 13, 41]) table.add(at(second * 1e9));
    const flow = table.newest as Flow;
    const { fine, coarse } = table.historyOf(flow) ?? { fine: [], coarse: [] };
    expect(fine.map(({ step, packets, bytes }) => [step, packets[0], bytes[0]])).toEqual([
      [0, 2, 200],
      [1, 3, 300],
      [4, 1, 100],
    ]);
    // The first leg has none before it; each hop takes a microsecond.
    expect([...(fine[0]?.latencies ?? [])]).toEqual([NaN, NaN, 1_000, 1_000]);
    expect([...(fine[1]?.latencies ?? [])]).toEqual([NaN, NaN, 1_000, 1_000]);
    expect(coarse.map(({ step, packets }) => [step, packets[0]])).toEqual([[0, 5]]);
  });

  test('of a flow in its first step is what it did so far', () => {
    const { maker, at } = makerOf();
    const table = new FlowTable(maker.tuples, { ended: {} });
    const flow = table.add(at(5e9)).flow as Flow;
    table.add(at(6e9));
    expect(table.historyOf(flow)).toMatchObject({
      fine: [{ step: 0, packets: [2, 0] }],
      coarse: [],
    });
    expect(new FlowTable(maker.tuples).historyOf(flow)).toBeNull();
  });

  test('is bounded in both its lengths', () => {
    const { maker, at } = makerOf();
    const table = new FlowTable(maker.tuples, { ended: {} });
    const steps = (COARSE_POINTS + 2) * 6;
    for (let step = 0; step < steps; step++) table.add(at(step * FINE_NS));
    const history = table.historyOf(table.newest as Flow);
    // With the step under way.
    expect(history?.fine).toHaveLength(FINE_POINTS + 1);
    expect(history?.coarse).toHaveLength(COARSE_POINTS);
    expect(history?.fine.at(-1)?.step).toBe(steps - 1);
  });

  test('past the limit of bytes that of the flow longest without a step goes, counted', () => {
    const { maker, at } = makerOf();
    const table = new FlowTable(maker.tuples);
    const flows = [1, 2].map((n) => table.add(at(1e9, n)).flow as Flow);
    const histories = new FlowHistories(1);
    for (const flow of flows) histories.advance(flow, 11e9);
    expect([histories.size, histories.evicted]).toEqual([1, 1]);
    expect(histories.of(flows[1] as Flow).fine).toHaveLength(2);
    expect(histories.of(flows[0] as Flow).fine).toHaveLength(1);
    histories.forget(flows[1] as Flow);
    expect([histories.size, histories.bytes]).toEqual([0, 0]);
  });

  test('is given back with its flow', () => {
    const { maker, at } = makerOf();
    const table = new FlowTable(maker.tuples, { ended: {} });
    for (const second of [1, 11, 21]) table.add(at(second * 1e9));
    expect(table.memory.histories.bytes).toBeGreaterThan(0);
    while (table.expireIdle(1e15)) {}
    while (table.expireIdle(2e15)) {}
    expect([table.ended, table.memory.histories.bytes]).toEqual([0, 0]);
  });
});

describe('a sample', () => {
  test('has all values while they are few, then as many as it may', () => {
    const sample = new LegSample();
    expect(sample.take([0.5])).toBeNull();
    for (const value of [3, 1, 2]) sample.add(value);
    expect(sample.take([0.5, 0.99])).toEqual([2, 3]);
    expect(sample.take([0.5])).toBeNull();
  });

  test('gives early and late values the same chance', () => {
    const early: number[] = [];
    for (let round = 0; round < 20; round++) {
      const sample = new LegSample();
      for (let n = 0; n < SAMPLE_LIMIT * 20; n++) sample.add(n + round * 0.01);
      early.push((sample.take([0.5]) as readonly number[])[0] as number);
    }
    const middle = early.reduce((sum, value) => sum + value, 0) / early.length;
    expect(middle / (SAMPLE_LIMIT * 20)).toBeGreaterThan(0.3);
    expect(middle / (SAMPLE_LIMIT * 20)).toBeLessThan(0.7);
  });
});
