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
  LEFT_OUT_SHARE,
  NEW_FLOWS_LEAST_MS,
  NEW_FLOWS_SHARE,
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
import { fc } from '../fixtures/properties.js';

const BUDGET = 0.05;
const HOPS_OF_TRAIL = 10;
const HOP_BYTES = 40;
/** What the daemon of these tests takes for a hop, and the kernel, ns. */
const DAEMON_NS = 1_500;
const KERNEL_NS = KERNEL_COST.hopNs + KERNEL_COST.trailNs / HOPS_OF_TRAIL;

/** Of a hop that is left out. */
const LEFT_OUT_NS = LEFT_OUT_SHARE * KERNEL_NS;

const NOTHING_BETWEEN = { closedHops: 0, closedBytes: 0, newFlowsMs: 0, leftOut: 0 };

/** A machine with some hops a second; time passes in the periods that the plan asks for. */
class Machine {
  readonly governor: Governor;
  now = 0;
  openMs = 0;
  newFlowsMs = 0;
  /** Times at which the plan changed between staying open and windows. */
  readonly changes: { at: number; mode: Plan['mode'] }[] = [];

  constructor(budget = BUDGET) {
    this.governor = new Governor(budget);
  }

  /** @param hopsPerSecond while it is open @param other share of one core for something else */
  run(ms: number, hopsPerSecond: number, other = 0): void {
    const end = this.now + ms;
    while (this.now < end) {
      const { mode, window, periodMs } = this.governor.plan;
      const elapsedMs = mode === 'open' ? DECIDE_MS : periodMs;
      // The kernel ends a window at its bytes.
      const fullMs = (window.bytes / (hopsPerSecond * HOP_BYTES)) * 1000;
      const openMs = mode === 'open' ? elapsedMs : Math.min(window.ms, fullMs);
      const newFlowsMs = mode === 'open' ? 0 : Math.min(window.newFlowsMs, elapsedMs - openMs);
      const leftOut = (hopsPerSecond * newFlowsMs) / 1000;
      const hops = (hopsPerSecond * openMs) / 1000;
      const bytes = hops * HOP_BYTES;
      this.now += elapsedMs;
      this.openMs += openMs;
      this.newFlowsMs += newFlowsMs;
      const cpuMs = (hops * DAEMON_NS) / 1e6 + other * elapsedMs;
      const trails = hops / HOPS_OF_TRAIL;
      const plan = this.governor.decide({
        ...{
          elapsedMs,
          openMs,
          hops,
          trails,
          bytes,
          ...{ closedHops: 0, closedBytes: 0, newFlowsMs, leftOut },
          cpuMs,
          quiet: other,
        },
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
        const { now, openMs, newFlowsMs } = machine;
        machine.run(60_000, hops);
        expect(machine.governor.plan).toMatchObject({ mode: 'windows', detail: 'edges' });
        const share = (machine.openMs - openMs) / (machine.now - now);
        const forNewFlows = (machine.newFlowsMs - newFlowsMs) / (machine.now - now);
        const cost = share * BUDGET * times + (forNewFlows * hops * LEFT_OUT_NS) / 1e9;
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

  it('a window that cost more than expected makes the next ones smaller, and one that cost less larger', () => {
    const governor = new Governor(BUDGET);
    governor.crowded();
    const first = governor.plan.window.bytes;
    const window = { elapsedMs: 1_000, openMs: 5, hops: first / 40, trails: 100, bytes: first };
    governor.decide({ ...window, ...NOTHING_BETWEEN, quiet: 0, cpuMs: 200 });
    const second = governor.plan.window.bytes;
    expect(second).toBeLessThan(first / 2);
    for (let i = 0; i < 10; i++)
      governor.decide({ ...window, ...NOTHING_BETWEEN, quiet: 0, cpuMs: 10 });
    expect(governor.plan.window.bytes).toBeGreaterThan(first);
  });

  it('begins with short windows', () => {
    const machine = new Machine();
    while (machine.governor.plan.mode === 'open') machine.run(DECIDE_MS, Machine.hopsFor(1));
    expect(machine.governor.plan.window.ms).toBe(WINDOW_FIRST_MS);
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
      closedBytes: count,
      newFlowsMs: ms,
      leftOut: count,
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
            expect(plan.window.ms).toBeGreaterThanOrEqual(WINDOW_LEAST_MS);
            expect(plan.window.ms).toBeLessThanOrEqual(WINDOW_MOST_MS);
            expect(plan.window.bytes).toBeGreaterThanOrEqual(WINDOW_LEAST_BYTES);
            expect(plan.window.ms).toBeLessThan(plan.periodMs);
            expect(plan.window.newFlowsMs).toBeGreaterThanOrEqual(0);
            expect(plan.window.newFlowsMs).toBeLessThanOrEqual(plan.periodMs);
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

describe('new flows between windows', () => {
  const hopsFor = (share: number): number => (share * 1e9) / LEFT_OUT_NS;

  it('are seen all the time where that is cheap, and windows go on', () => {
    const machine = new Machine();
    machine.run(20_000, hopsFor(BUDGET * 0.3));
    const { newFlowsMs, openMs } = machine;
    machine.run(20_000, hopsFor(BUDGET * 0.3));
    expect(machine.governor.plan.mode).toBe('windows');
    const seen = machine.newFlowsMs - newFlowsMs + machine.openMs - openMs;
    expect(seen).toBeGreaterThan(19_900);
  });

  it('are seen for as long as the budget pays for, whatever passes', () => {
    const times = fc.double({ min: 1, max: 20, noNaN: true });
    fc.assert(
      fc.property(times, (share) => {
        const machine = new Machine();
        machine.run(20_000, hopsFor(BUDGET * share));
        const { newFlowsMs } = machine;
        machine.run(20_000, hopsFor(BUDGET * share));
        const cost = ((machine.newFlowsMs - newFlowsMs) / 20_000) * BUDGET * share;
        expect(cost).toBeLessThanOrEqual(BUDGET * NEW_FLOWS_SHARE * 1.01);
        expect(cost).toBeGreaterThan(BUDGET * NEW_FLOWS_SHARE * 0.9);
      }),
    );
  });

  it('are not looked for where only a moment would be paid for', () => {
    const machine = new Machine();
    machine.run(20_000, hopsFor(BUDGET * NEW_FLOWS_SHARE * (1_000 / NEW_FLOWS_LEAST_MS) * 1.1));
    expect(machine.governor.plan).toMatchObject({ mode: 'windows', window: { newFlowsMs: 0 } });
    expect(machine.newFlowsMs).toBe(0);
  });

  it('that are many are seen for a shorter time', () => {
    const governor = new Governor(BUDGET);
    governor.crowded();
    const window = { elapsedMs: 1_000, openMs: 20, hops: 2_000, trails: 200, bytes: 80_000 };
    const between = { closedHops: 0, closedBytes: 0, newFlowsMs: 900, leftOut: 90_000 };
    for (let i = 0; i < 20; i++) governor.decide({ ...window, ...between, quiet: 0, cpuMs: 5 });
    const few = governor.plan.window.newFlowsMs;
    const many = { ...between, closedHops: 50_000, closedBytes: 2e6 };
    governor.decide({ ...window, ...many, quiet: 0, cpuMs: 5 });
    expect(governor.plan.window.newFlowsMs).toBeLessThan(few / 2);
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
    const { window, periodMs } = governor.plan;
    fc.assert(
      fc.property(fc.double({ min: REQUEST_GAP_MS, max: 2_000, noNaN: true }), (since) => {
        const asked = governor.requested(since) ?? { ms: 0, bytes: 0, newFlowsMs: 0 };
        const { ms, bytes, newFlowsMs } = asked;
        const share = Math.min(since, periodMs) / periodMs;
        expect(ms).toBeLessThanOrEqual(Math.max(REQUESTED_LEAST_MS, window.ms * share) + 1e-9);
        expect(bytes).toBeLessThanOrEqual(window.bytes * share + 1e-6);
        expect(newFlowsMs).toBeLessThanOrEqual(window.newFlowsMs * share + 1e-6);
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
        ...NOTHING_BETWEEN,
        quiet: 0,
        cpuMs: 900,
      },
    });
    expect((1_000 * DAEMON_HOP_MOST_NS) / 1e6).toBeLessThan(900);
    expect(plan.mode).toBe('open');
  });
});
