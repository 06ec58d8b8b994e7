import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { HEAP_FACTOR, numbersBytes } from '../../src/flow/flow-size.js';
import { FlowTable } from '../../src/flow/flow-table.js';
import {
  HOOK_FORWARD,
  HOOK_POSTROUTING,
  HOOK_PREROUTING,
} from '../../src/packet/netfilter-hook.js';
import { PathMaker } from '../fixtures/path-of.js';
import { CALI1, CALI2, NETNS, POD1_ETH0, POD2_ETH0 } from '../fixtures/places.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function usedBytes(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A share of what is measured: blocks, tables that double, and V8's own bookkeeping blur it. */
const TOLERANCE = 0.3;

/** @param tuples bytes of the tuples that packets had, which are not the flows' */
function expectNear(table: FlowTable, before: number, flows: number, tuples: number): number {
  const measured = (usedBytes() - before - tuples) / flows;
  // What is on the heap is put to the account with what V8 takes besides.
  const numbers = table.changedSince(0).reduce((sum, flow) => sum + numbersBytes(flow), 0);
  const estimated = (numbers + (table.bytes - numbers) / HEAP_FACTOR) / flows;
  expect(table.size).toBe(flows);
  expect(Math.abs(estimated - measured) / measured).toBeLessThanOrEqual(TOLERANCE);
  return measured;
}

// Makes hundreds of thousands of objects: on a busy machine that takes longer than a test's default.
describe('the estimate is what is measured, to within 30 %', { timeout: 30_000 }, () => {
  test('for flows that are only counted, and those take less than 300 bytes', () => {
    const flows = 50_000;
    const before = usedBytes();
    const maker = new PathMaker();
    const table = new FlowTable(maker.tuples, { limitBytes: 2 ** 40 });
    for (let n = 0; n < flows; n++) {
      const src = `192.168.${n >> 8}.${n & 255}`;
      const tuple = maker.tuple({ src, dst: '10.0.0.1', sport: 1_024 + n, dport: 443 });
      const reply = tuple.reversed(maker.tuples);
      const both = {
        ...{ netns: NETNS.node111, bytes: 4e9 + n, largest: 1_500, tcpFlags: 0x12, gone: false },
        ...{ first: 1e12 + n, last: 2e12 + n, ctOriginal: tuple, ctReply: reply, packets: 10 + n },
      };
      table.count({ ...both, ifindex: 5, direction: 'in', tuple });
      table.count({ ...both, ifindex: 6, direction: 'out', tuple, first: 1e12 + n + 10 });
      table.count({ ...both, ifindex: 6, direction: 'in', tuple: reply });
      table.count({ ...both, ifindex: 5, direction: 'out', tuple: reply, first: 1e12 + n + 10 });
    }
    expect(expectNear(table, before, flows, maker.tuples.bytes)).toBeLessThan(300);
  });

  test.each([1, 20])('for flows with %d packets traced each way', (packets) => {
    const flows = 3_000;
    const before = usedBytes();
    const maker = new PathMaker();
    const table = new FlowTable(maker.tuples, { limitBytes: 2 ** 40, recentLimit: 1 });
    for (let n = 0; n < flows * packets; n++) {
      const flow = n % flows;
      const src = `10.1.${flow >> 8}.${flow & 255}`;
      const tuple = maker.tuple({ src, dst: '10.2.0.1', sport: flow, dport: 80 });
      const reply = tuple.reversed(maker.tuples);
      for (const [t, from, fromNode, toNode, to] of [
        [tuple, POD1_ETH0, CALI1, CALI2, POD2_ETH0],
        [reply, POD2_ETH0, CALI2, CALI1, POD1_ETH0],
      ] as const) {
        const path = maker.path([
          maker.egress(from, t),
          maker.ingress(fromNode, t),
          maker.hook(fromNode, HOOK_PREROUTING, -301, t),
          maker.hook(fromNode, HOOK_PREROUTING, -99, t),
          maker.hook(toNode, HOOK_FORWARD, 1, t),
          maker.hook(toNode, HOOK_POSTROUTING, 101, t),
          maker.egress(toNode, t),
          maker.ingress(to, t),
        ]);
        const { time } = path.columns;
        for (let i = 1; i < path.length; i++) {
          // Times of hops differ from packet to packet by a factor of two.
          time[i] = (time[i - 1] as number) + 1_000 + ((n * 7_919 + i * 104_729) % 1_000);
        }
        path.delivered = true;
        table.add(path);
      }
    }
    expectNear(table, before, flows, maker.tuples.bytes);
  });
});
