import { expect, test } from 'vitest';
import { SLOTS_PER_ANSWER } from '../../src/serve/limits.js';
import { OrderScan } from '../../src/serve/order-scan.js';
import { scannedFlows } from './scanned-flows.js';

const FLOWS = SLOTS_PER_ANSWER + 100;

test('finds the first of an order among the flows that match, some in a call', () => {
  const { from, add } = scannedFlows();
  for (let n = 0; n < FLOWS; n++) {
    // In no order, each time once.
    const time = ((n * 7) % FLOWS) * 1e6;
    add(n % 2 === 0 ? '10.0.0.1' : '10.0.0.2', '10.9.9.9', time);
  }
  const order = { column: 'start', descending: true } as const;
  const scan = new OrderScan(from, 'src:10.0.0.1', order, 5);
  expect([scan.advance(), scan.answer]).toEqual([false, null]);
  expect(scan.advance()).toBe(true);
  const { ids = [], ...rest } = scan.answer ?? {};
  expect(rest).toEqual({ looked: FLOWS, total: FLOWS });
  const started = ids.map((id) => from.flows.get(id)?.start ?? null);
  const wanted = [...from.flows.changedSince(0)]
    .filter(({ original }) => original.src === '10.0.0.1')
    .map(({ start }) => start)
    .sort((a, b) => b - a);
  expect(started).toEqual(wanted.slice(0, 5));
  // Looked at anew, it knows what has come.
  const newest = add('10.0.0.1', '10.9.9.9', 1e12);
  while (!scan.advance()) {
    // until all were looked at
  }
  expect(scan.answer?.ids[0]).toBe(newest.id);
});
