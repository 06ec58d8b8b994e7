import type { Seen } from 'hopscope-protocol';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Governor } from '../../src/source/governor.js';
import type { WindowRoom } from '../../src/source/tracing-gate.js';
import { type Scheduled, TracingSchedule } from '../../src/source/tracing-schedule.js';

const RING_BYTES = 1 << 20;

interface Machine {
  readonly on: Scheduled;
  /** What was opened, with the room for it. */
  readonly seen: { readonly sees: Seen; readonly limit: number }[];
  waiting: number;
}

function machine(): Machine {
  const seen: Machine['seen'] = [];
  const on: Scheduled = {
    see: (sees, room?: WindowRoom) => {
      seen.push({ sees, limit: room?.limit ?? 0 });
    },
    shutAt: () => null,
    setDetail: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    flush: () => undefined,
    work: () => ({ hops: 0, trails: 0, bytes: 0, leftOut: 0 }),
    waiting: () => made.waiting,
    ringBytes: RING_BYTES,
    cpuMs: () => 0,
    now: () => BigInt(Date.now()) * 1_000_000n,
    onWindow: () => undefined,
    onWarning: () => undefined,
    onMode: () => undefined,
    meter: { begin: () => undefined, end: () => null },
  };
  const made: Machine = { on, seen, waiting: 0 };
  return made;
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a ring that fills up leaves new flows seen, with room beyond what waits', () => {
  const kernel = machine();
  const schedule = new TracingSchedule(new Governor(0.8), kernel.on);
  schedule.start();
  kernel.waiting = RING_BYTES * 0.3;
  schedule.watch(kernel.waiting);
  expect(schedule.sees).toBe('new-flows');
  const [last] = kernel.seen.slice(-1);
  expect(last?.sees).toBe('new-flows');
  expect(last?.limit).toBeGreaterThan(kernel.waiting);
  expect(last?.limit).toBeLessThanOrEqual(RING_BYTES / 2);
  schedule.stop();
});

it('a ring that is nearly empty changes nothing', () => {
  const kernel = machine();
  const schedule = new TracingSchedule(new Governor(0.8), kernel.on);
  schedule.start();
  kernel.waiting = RING_BYTES * 0.01;
  schedule.watch(kernel.waiting);
  expect(schedule.sees).toBe('all');
  expect(kernel.seen).toEqual([]);
  schedule.stop();
});
