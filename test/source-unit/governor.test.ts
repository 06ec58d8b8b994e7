import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CALM_PERIOD_MS,
  CALM_WINDOWS,
  CALM_WINDOWS_MOST,
  CREDIT_MS,
  DAEMON_HOP_MOST_NS,
  DECIDE_MS,
  FULL_SHARE,
  Governor,
  KERNEL_COST,
  type Plan,
  REQUEST_GAP_MS,
  REQUESTED_LEAST_MS,
  RESERVED_SHARE,
  WINDOW_FIRST_MS,
  WINDOW_LEAST_BYTES,
  WINDOW_LEAST_MS,
  WINDOW_MOST_MS,
  WINDOW_PERIOD_MS,
} from '../../src/source/governor.js';

const BUDGET = 0.05;
const HOPS_OF_TRAIL = 10;
const HOP_BYTES = 40;
/** What the daemon of these tests takes for a hop, and the kernel, ns. */
const DAEMON_NS = 1_500;
const KERNEL_NS = KERNEL_COST.hopNs + KERNEL_COST.trailNs / HOPS_OF_TRAIL;

/** A machine with some hops a second; time passes in the periods that the plan asks for. */
class Machine {
  readonly governor: Governor;
  now = 0;
  openMs = 0;
  /** Times at which the plan changed between staying open and windows. */
  readonly changes: { at: number; mode: Plan['mode'] }[] = [];

  constructor(budget = BUDGET) {
    this.governor = new Governor(budget);
  }

  /** @param hopsPerSecond while it is open @param other share of one core for something else */
  run(ms: number, hopsPerSecond: number, other = 0): void {
    const end = this.now + ms;
    while (this.now < end) {
      const { mode, windowMs, periodMs, windowBytes } = this.governor.plan;
      const elapsedMs = mode === 'open' ? DECIDE_MS : periodMs;
      // The kernel ends a window at its bytes.
      const fullMs = (windowBytes / (hopsPerSecond * HOP_BYTES)) * 1000;
      const openMs = mode === 'open' ? elapsedMs : Math.min(windowMs, fullMs);
      const hops = (hopsPerSecond * openMs) / 1000;
      const bytes = hops * HOP_BYTES;
      this.now += elapsedMs;
      this.openMs += openMs;
      const cpuMs = (hops * DAEMON_NS) / 1e6 + other * elapsedMs;
      const trails = hops / HOPS_OF_TRAIL;
      const plan = this.governor.decide({
        ...{ elapsedMs, openMs, hops, trails, bytes, closedHops: 0, cpuMs, quiet: other },
      });
      if (plan.mode !== mode) this.changes.push({ at: this.now, mode: plan.mode });
    }
  }

  /** Hops a second whose tracing costs a share of one core. */
  static hopsFor(share: number): number {
    return (share * 1e9) / (DAEMON_NS + KERNEL_NS);
  }
}

describe('below the budget', () => {
  it('stays open with every place of each hook, for ever', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.9, noNaN: true }), (share) => {
        const machine = new Machine();
        machine.run(60_000, Machine.hopsFor(BUDGET * share));
        expect(machine.governor.plan).toMatchObject({ mode: 'open', detail: 'all' });
        expect(machine.changes).toEqual([]);
        expect(machine.governor.cost).toBeCloseTo(BUDGET * share, 4);
      }),
    );
  });

  it('what else the daemon does closes nothing while little is traced', () => {
    const machine = new Machine();
    machine.run(10_000, 100, 1.5);
    expect(machine.governor.plan.mode).toBe('open');
    expect(machine.governor.allowed).toBeCloseTo(BUDGET * RESERVED_SHARE, 5);
    expect(machine.governor.cost).toBeGreaterThan(1.4);
  });
});

describe('above the budget', () => {
  it('goes over to windows soon, and they keep the budget whatever passes', () => {
    fc.assert(
      fc.property(fc.double({ min: 1.3, max: 2_000, noNaN: true }), (times) => {
        const machine = new Machine();
        const hops = Machine.hopsFor(BUDGET * times);
        const credit = CREDIT_MS / (BUDGET * (times - 1));
        machine.run(credit + 5_000, hops);
        expect(machine.changes[0]?.at).toBeLessThanOrEqual(credit + 2 * DECIDE_MS);
        const { now, openMs } = machine;
        machine.run(60_000, hops);
        expect(machine.governor.plan).toMatchObject({ mode: 'windows', detail: 'edges' });
        const share = (machine.openMs - openMs) / (machine.now - now);
        const cost = share * BUDGET * times;
        expect(cost).toBeLessThanOrEqual(BUDGET * 1.01);
        // And does not look away more than it must.
        expect(cost).toBeGreaterThanOrEqual(Math.min(BUDGET, BUDGET * times * 0.4) * 0.9);
      }),
    );
  });

  it('sees a burst whole, and another one when as much time was below the budget', () => {
    const machine = new Machine();
    const burst = CREDIT_MS / 2;
    for (let i = 0; i < 5; i++) {
      machine.run(burst, Machine.hopsFor(BUDGET + 0.5));
      machine.run(burst / (BUDGET / 2), Machine.hopsFor(BUDGET / 2));
    }
    expect(machine.changes).toEqual([]);
    for (let i = 0; i < 3; i++) machine.run(burst, Machine.hopsFor(BUDGET + 0.5));
    expect(machine.changes.map(({ mode }) => mode)).toEqual(['windows']);
  });

  it('a window that turned out dear makes the next ones smaller, and cheap ones larger', () => {
    const governor = new Governor(BUDGET);
    governor.crowded();
    const first = governor.plan.windowBytes;
    const window = { elapsedMs: 1_000, openMs: 5, hops: first / 40, trails: 100, bytes: first };
    governor.decide({ ...window, closedHops: 0, quiet: 0, cpuMs: 200 });
    const second = governor.plan.windowBytes;
    expect(second).toBeLessThan(first / 2);
    for (let i = 0; i < 10; i++) governor.decide({ ...window, closedHops: 0, quiet: 0, cpuMs: 10 });
    expect(governor.plan.windowBytes).toBeGreaterThan(first);
  });

  it('begins with short windows', () => {
    const machine = new Machine();
    while (machine.governor.plan.mode === 'open') machine.run(DECIDE_MS, Machine.hopsFor(1));
    expect(machine.governor.plan.windowMs).toBe(WINDOW_FIRST_MS);
  });

  it('every window has a length between the limits, whatever happens', () => {
    const ms = fc.double({ min: 0, max: 5_000, noNaN: true });
    const count = fc.oneof(fc.constant(0), fc.nat(), fc.double({ min: 0, max: 1e9, noNaN: true }));
    const period = fc.record({
      elapsedMs: ms,
      openMs: ms,
      hops: count,
      trails: count,
      bytes: count,
      closedHops: count,
      cpuMs: ms,
      quiet: fc.option(fc.double({ min: 0, max: 4, noNaN: true })),
    });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(period, fc.constant('crowded' as const)), { maxLength: 40 }),
        (all) => {
          const governor = new Governor(BUDGET);
          for (const one of all) {
            const plan = one === 'crowded' ? governor.crowded() : governor.decide(one);
            expect(plan).toBe(governor.plan);
            expect(plan.windowMs).toBeGreaterThanOrEqual(WINDOW_LEAST_MS);
            expect(plan.windowMs).toBeLessThanOrEqual(WINDOW_MOST_MS);
            expect(plan.windowBytes).toBeGreaterThanOrEqual(WINDOW_LEAST_BYTES);
            expect(plan.windowMs).toBeLessThan(plan.periodMs);
            expect(plan.detail).toBe(plan.mode === 'open' ? 'all' : 'edges');
          }
        },
      ),
    );
  });
});

describe('a machine that calms down', () => {
  it('is traced whole again within two seconds', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1.5, max: 500, noNaN: true }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        (times, share) => {
          const machine = new Machine();
          machine.run(30_000, Machine.hopsFor(BUDGET * times));
          const calmSince = machine.now;
          machine.run(3_000, Machine.hopsFor(BUDGET * share));
          expect(machine.changes.map(({ mode }) => mode)).toEqual(['windows', 'open']);
          const took = (machine.changes[1]?.at ?? 0) - calmSince;
          expect(took).toBeLessThanOrEqual(WINDOW_PERIOD_MS + CALM_WINDOWS * CALM_PERIOD_MS);
        },
      ),
    );
  });

  it('does not flap: bursts that come again and again leave it in windows longer', () => {
    const machine = new Machine();
    for (let i = 0; i < 60; i++) {
      machine.run(1_500, Machine.hopsFor(BUDGET * 20));
      machine.run(2_000, 0);
    }
    const first = machine.changes.filter(({ at }) => at < 30_000).length;
    const last = machine.changes.filter(({ at }) => at > machine.now - 60_000).length;
    expect(first).toBeGreaterThan(1);
    expect(last).toBeLessThan(first);
    machine.run(CALM_WINDOWS_MOST * CALM_PERIOD_MS + 2 * WINDOW_PERIOD_MS, 0);
    expect(machine.governor.plan.mode).toBe('open');
  });

  it('around the budget it changes seldom', () => {
    const near = fc.double({ min: 0.8, max: 1.25, noNaN: true });
    fc.assert(
      fc.property(fc.array(near, { minLength: 120, maxLength: 120 }), (seconds) => {
        const machine = new Machine();
        for (const share of seconds) machine.run(1_000, Machine.hopsFor(BUDGET * share));
        expect(machine.changes.length).toBeLessThanOrEqual(2);
      }),
    );
  });
});

describe('a window on request', () => {
  function inWindows(): Governor {
    const machine = new Machine();
    machine.run(10_000, Machine.hopsFor(2));
    return machine.governor;
  }

  it('is not needed while everything is seen', () => {
    expect(new Governor(BUDGET).requested(10_000)).toBeNull();
  });

  it('is refused soon after the last one', () => {
    expect(inWindows().requested(REQUEST_GAP_MS - 1)).toBeNull();
    expect(inWindows().requested(REQUEST_GAP_MS)?.ms).toBeGreaterThanOrEqual(REQUESTED_LEAST_MS);
  });

  it('takes no more of the time than the planned ones', () => {
    const governor = inWindows();
    const { windowMs, periodMs, windowBytes } = governor.plan;
    fc.assert(
      fc.property(fc.double({ min: REQUEST_GAP_MS, max: 2_000, noNaN: true }), (since) => {
        const { ms, bytes } = governor.requested(since) ?? { ms: 0, bytes: 0 };
        const share = Math.min(since, periodMs) / periodMs;
        expect(ms).toBeLessThanOrEqual(Math.max(REQUESTED_LEAST_MS, windowMs * share) + 1e-9);
        expect(bytes).toBeLessThanOrEqual(windowBytes * share + 1e-6);
      }),
    );
  });
});

describe('a ring that fills up', () => {
  it('closes the tracer at once, and is counted', () => {
    const governor = new Governor(BUDGET);
    expect(governor.crowded().mode).toBe('windows');
    expect(governor.crowdings).toBe(1);
  });

  it('is noticed sooner while nothing else ends the tracing', () => {
    const governor = new Governor(BUDGET);
    expect(governor.fullShare).toBeCloseTo(0.06, 6);
    governor.crowded();
    expect(governor.fullShare).toBe(FULL_SHARE);
    expect(new Governor(4).fullShare).toBe(FULL_SHARE);
  });
});

describe('what was measured of the kernel', () => {
  it('is what a hop costs from then on', () => {
    const governor = new Governor(BUDGET);
    governor.calibrate(1_000_000, 1_000);
    expect(governor.kernel).toEqual({ hopNs: 1_030, trailNs: 0 });
  });

  it('says nothing with hardly any hops', () => {
    const governor = new Governor(BUDGET);
    governor.calibrate(1_000_000, 99);
    governor.calibrate(0, 1_000);
    expect(governor.kernel).toBe(KERNEL_COST);
  });

  it('CPU time that hops cannot explain is not put down to them', () => {
    const governor = new Governor(BUDGET);
    const plan = governor.decide({
      ...{
        elapsedMs: 1_000,
        openMs: 1_000,
        hops: 1_000,
        trails: 100,
        bytes: 30_000,
        closedHops: 0,
        quiet: 0,
        cpuMs: 900,
      },
    });
    expect((1_000 * DAEMON_HOP_MOST_NS) / 1e6).toBeLessThan(900);
    expect(plan.mode).toBe('open');
  });
});
