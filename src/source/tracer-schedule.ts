import type { RingBuffer } from 'ebpf-ts';
import {
  COUNTER_BUSY_FLOWS,
  COUNTER_BYTES,
  COUNTER_DROPS,
  COUNTER_LOST_RING,
  COUNTER_PASSED,
  COUNTER_PAST_SHARE,
  COUNTER_TRAILS,
} from '../wire/layout.gen.js';
import type { Governor } from './governor.js';
import { KernelCostMeter } from './kernel-cost.js';
import { sumOfCpus } from './kernel-counters.js';
import type { FoundNamespace } from './namespace-watcher.js';
import type { RingDrain } from './ring-drain.js';
import type { Tracer } from './tracer.js';
import { type Scheduled, TracingSchedule } from './tracing-schedule.js';

export interface ScheduledTracer extends Pick<Scheduled, 'onWindow' | 'onWarning' | 'onMode'> {
  readonly tracer: Tracer;
  readonly ring: RingBuffer;
  readonly ringBytes: number;
  readonly drain: RingDrain;
  /** CPU time of the process that reads the ring where it is another one, ms. */
  readonly readerCpuMs: () => number;
  readonly namespaces: () => ReadonlyMap<number, FoundNamespace>;
}

function counterOf(tracer: Tracer | null, index: number): number {
  const map = tracer?.map('counters');
  return map === undefined ? 0 : Number(sumOfCpus(map, index));
}

/** Trails handed over so far. */
export function trailsOf(tracer: Tracer): number {
  return counterOf(tracer, COUNTER_TRAILS);
}

/** Drops between windows so far, shown or not. */
export function dropsOf(tracer: Tracer | null): number {
  return counterOf(tracer, COUNTER_DROPS);
}

/** A schedule that opens and closes the tracer of the running kernel. */
export function scheduleOf(governor: Governor, scheduled: ScheduledTracer): TracingSchedule {
  const { tracer, ring, ringBytes, drain, readerCpuMs, namespaces } = scheduled;
  const counter = (index: number): number => counterOf(tracer, index);
  const hops = (): number =>
    counter(COUNTER_PASSED) + counter(COUNTER_LOST_RING) + counter(COUNTER_PAST_SHARE);
  return new TracingSchedule(governor, {
    see: (sees, room) => tracer.see(sees, room),
    shutAt: () => tracer.shutAt(),
    setDetail: (detail) => tracer.setDetail(detail, namespaces()),
    pause: () => drain.pause(),
    resume: () => drain.resume(),
    flush: () => tracer.flush(),
    work: () => ({
      hops: hops(),
      trails: trailsOf(tracer),
      bytes: counter(COUNTER_BYTES),
      leftOut: counter(COUNTER_BUSY_FLOWS),
    }),
    waiting: () => ring.available(),
    ringBytes,
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000 + readerCpuMs();
    },
    now: () => process.hrtime.bigint(),
    onWindow: scheduled.onWindow,
    onWarning: scheduled.onWarning,
    onMode: scheduled.onMode,
    meter: new KernelCostMeter(() => ({ runTimeNs: tracer.runTime(), hops: hops() })),
  });
}
