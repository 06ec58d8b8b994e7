import { GROUP_LIMIT, type GroupsAnswer } from 'hopscope-protocol';
import { expect, test } from 'vitest';
import { Histogram } from '../../src/flow/histogram.js';
import { GroupScan } from '../../src/serve/group-scan.js';
import { scannedFlows } from './scanned-flows.js';

function whole(scan: GroupScan): GroupsAnswer {
  while (!scan.advance()) {
    // until all were looked at
  }
  if (scan.answer === null) throw new Error('no answer');
  return scan.answer;
}

test('flows of a pair are one group, with what they sent, and the filter that finds them', () => {
  const { from, add } = scannedFlows();
  add('10.0.0.1', '10.9.9.9', 1e9);
  add('10.0.0.1', '10.9.9.9', 31e9);
  add('10.0.0.2', '10.9.9.9', 62e9);
  const { groups, other, flows, total } = whole(new GroupScan(from, 'source-destination', ''));
  expect([other, flows, total]).toEqual([null, 3, 3]);
  expect(groups).toMatchObject([
    {
      key: { label: '10.0.0.1 → 10.9.9.9', filter: 'src:10.0.0.1 to:10.9.9.9' },
      ...{ flows: 2, packets: 2, bytes: 200, connectionsPerSecond: 0, p50: 1_000, measured: 2 },
    },
    { key: { label: '10.0.0.2 → 10.9.9.9' }, flows: 1, connectionsPerSecond: 0.1 },
  ]);
  // Steps of 30 s, the newest last.
  expect(groups[0]?.spark.slice(-3)).toEqual([100, 100, 0]);
  expect(groups[1]?.spark.slice(-3)).toEqual([0, 0, 100]);
});

test('only flows that match the filter are in them', () => {
  const { from, add } = scannedFlows();
  add('10.0.0.1', '10.9.9.9', 1e9);
  add('10.0.0.2', '10.9.9.9', 2e9);
  const { groups } = whole(new GroupScan(from, 'verdict', 'src:10.0.0.2'));
  expect(groups).toMatchObject([{ flows: 1 }]);
});

test('past the limit of groups flows are in “other”', () => {
  const { from, add } = scannedFlows();
  for (let n = 0; n <= GROUP_LIMIT; n++) add(`10.1.${n >> 8}.${n & 255}`, '10.9.9.9', n * 1e6);
  const scan = new GroupScan(from, 'source-destination', '');
  expect(scan.advance()).toBe(false);
  const { groups, other, flows } = whole(scan);
  expect([groups.length, other?.flows, flows]).toEqual([GROUP_LIMIT, 1, GROUP_LIMIT + 1]);
});

test('histograms together say what one of all values says', () => {
  const [a, b, all] = [new Histogram(), new Histogram(), new Histogram()];
  for (let n = 0; n < 2_000; n++) {
    (n % 3 === 0 ? a : b).add(n * 977);
    all.add(n * 977);
  }
  const sum = new Histogram();
  for (const one of [a, b, new Histogram()]) sum.merge(one);
  expect([sum.count, sum.max]).toEqual([all.count, all.max]);
  for (const quantile of [0.01, 0.5, 0.9, 0.99, 1]) {
    expect(sum.quantile(quantile)).toBe(all.quantile(quantile));
  }
});
