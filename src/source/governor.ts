import type { HookDetail } from './hook-places.js';

/** Between decisions while the tracer stays open, ms. */
export const DECIDE_MS = 100;
/** From the beginning of one window to that of the next, ms. */
export const WINDOW_PERIOD_MS = 1_000;
/** The same once the last window was calm: to be sure soon. */
export const CALM_PERIOD_MS = 400;
/**
 * Windows: to begin with, at least, and at most, ms. The least shows a thousand packets a second
 * where fifty thousand pass.
 */
export const WINDOW_FIRST_MS = 20;
export const WINDOW_LEAST_MS = 20;
export const WINDOW_MOST_MS = 400;
/** Windows take at most this share of the time: with more it might as well stay open. */
export const OPEN_SHARE_MOST = 0.4;
/**
 * Bytes of a window at least: some sixty packets. Each window ends, in the kernel, at as many
 * bytes as the budget pays for, so that a saturated network cannot make it expensive.
 */
export const WINDOW_LEAST_BYTES = 64 << 10;
/** And at most in a second: more than some 1,500 packets show nothing more of a flood. */
export const BYTES_A_SECOND_MOST = 3e6;
/** What a byte of trails is taken to cost before a window has shown it, ns: JIT still cold. */
export const FIRST_BYTE_NS = 50;
/** A window with less in it says nothing about that. */
const TELLING_BYTES = 16 << 10;
/** A window on request is shorter where many ask, at least this, ms. */
export const REQUESTED_LEAST_MS = 10;
/** Between windows, when somebody asks for one, ms. */
export const REQUEST_GAP_MS = 250;
/** Share of the ring that may wait for the daemon before the tracer is closed. */
export const FULL_SHARE = 0.25;
/**
 * While it stays open the ring is read every 20 ms: this share of it for each core of the budget
 * is more work than the budget allows, and no loss has come of it yet.
 */
export const FULL_SHARE_OF_BUDGET = 1.2;
/** What was above the budget must fall below this share of it before all is traced again. */
export const CALM_SHARE = 0.6;
/** Calm windows in a row before the tracer stays open; doubled each time that was too soon. */
export const CALM_WINDOWS = 2;
export const CALM_WINDOWS_MOST = 16;
/**
 * Between windows, a hop that is left out takes this share of what one takes that is traced: most of
 * it is getting into the program and out of it.
 */
export const LEFT_OUT_SHARE = 0.6;
/** Looking for new flows takes at most this share of what tracing may. */
export const NEW_FLOWS_SHARE = 0.6;
/** It is not worth its while for a shorter time, ms. */
export const NEW_FLOWS_LEAST_MS = 20;
/** Staying open this long says that it was not too soon, ms. */
export const SETTLED_MS = 10_000;
/**
 * CPU time that tracing may take above the budget before it is closed, ms: a burst, or a start with
 * cold code, is seen whole. Time below the budget gives it back.
 */
export const CREDIT_MS = 100;
/** The part of it that there is when the tracer was just opened again. */
const CREDIT_OF_REOPENED = 0.25;
/** Tracing keeps this share of the budget, whatever else the daemon does. */
export const RESERVED_SHARE = 0.2;
/**
 * What the daemon can possibly take for a hop, ns. CPU time above it is not due to tracing, and
 * no window brings it back: HTTP, names, the start of the process.
 */
export const DAEMON_HOP_MOST_NS = 4_000;
/** Periods and windows shorter than this say nothing, ms. */
const SHORTEST_MS = 0.1;
/** A drop that is seen alone takes the daemon as long as these many hops of a trail. */
export const HOPS_OF_DROP = 5;
/** Time constant of the averages, ms. */
const AVERAGE_MS = 300;

/** What tracing costs in the kernel, ns of one core. */
export interface KernelCost {
  readonly hopNs: number;
  readonly trailNs: number;
}

/** Getting into a program and out of it, ns; BPF statistics leave that out. */
const ENTRY_NS = 30;

/**
 * Measured on Linux 6.18 with BPF statistics over the lab, 17 hops a packet; used until the
 * running kernel was measured, or where that is not permitted.
 */
export const KERNEL_COST: KernelCost = { hopNs: 110 + ENTRY_NS, trailNs: 0 };

/** What happened since the last decision. */
export interface Period {
  readonly elapsedMs: number;
  /** How much of it the tracer was open. */
  readonly openMs: number;
  /** Hops and trails made while it was open, also those that did not fit the ring. */
  readonly hops: number;
  readonly trails: number;
  /** Bytes of the trails that fitted the ring. */
  readonly bytes: number;
  /** Hops made between windows, of drops and of new flows, and their bytes. */
  readonly closedHops: number;
  readonly closedBytes: number;
  /** How much of the time new flows were seen. */
  readonly newFlowsMs: number;
  /** Hops of busy flows that were left out between windows. */
  readonly leftOut: number;
  /** CPU time of the daemon. */
  readonly cpuMs: number;
  /**
   * Share of one core that the daemon took once a window's packets were dealt with; null when
   * the next window came before.
   */
  readonly quiet: number | null;
}

/** A window ends at whichever of the first two comes first. */
export interface WindowSize {
  readonly ms: number;
  readonly bytes: number;
  /** How long after it new flows are seen, ms; then drops alone, until the next. */
  readonly newFlowsMs: number;
}

/** What is to be done until the next decision. */
export interface Plan {
  readonly mode: 'open' | 'windows';
  readonly detail: HookDetail;
  /** The next window, and when it begins after the last one began, ms. */
  readonly window: WindowSize;
  readonly periodMs: number;
}

const OPEN: Plan = {
  mode: 'open',
  detail: 'all',
  window: { ms: WINDOW_FIRST_MS, bytes: WINDOW_LEAST_BYTES, newFlowsMs: 0 },
  periodMs: WINDOW_PERIOD_MS,
};

/**
 * Decides when the tracer is open, so that kernel and daemon together stay below a share of one
 * core. Pure: it is given what happened and returns what is to be done.
 *
 * What tracing costs while it is open is known at any time: all the time while it stays open,
 * else from the windows. So it is the same comparison that closes it and that opens it again.
 */
export class Governor {
  readonly budget: number;
  kernel: KernelCost = KERNEL_COST;
  /** Closings because the ring was filling up. */
  crowdings = 0;
  #plan = OPEN;
  /** Share of one core, averages: of all, of what is not due to tracing, of tracing all. */
  #cost: number | null = null;
  #other = 0;
  /** What is not due to the packets of windows, while they are open in windows. */
  #quiet = 0;
  #tracing = 0;
  #creditMs = CREDIT_MS;
  #calm = 0;
  #calmNeeded = CALM_WINDOWS;
  /** ms since it was opened for good; at first it has not been closed yet. */
  #openFor = SETTLED_MS;
  #byteNs = FIRST_BYTE_NS;
  /** Share of one core that seeing new flows takes, while it goes on; null: not known yet. */
  #newFlows: number | null = null;
  /** The same all in all. */
  #newFlowsCost = 0;
  /** Hops a millisecond while all is seen. */
  #hopRate = 0;

  /** @param budget share of one core */
  constructor(budget: number) {
    this.budget = budget;
  }

  get plan(): Plan {
    return this.#plan;
  }

  /** Share of one core that tracing and the daemon take; null before the first period. */
  get cost(): number | null {
    return this.#cost;
  }

  /** Share of one core left for tracing beside all else the daemon does. */
  get allowed(): number {
    return Math.max(this.budget - this.#other, this.budget * RESERVED_SHARE);
  }

  /** Share of the ring that may wait before the tracer must be closed. */
  get fullShare(): number {
    return this.#plan.mode === 'open'
      ? Math.min(FULL_SHARE, this.budget * FULL_SHARE_OF_BUDGET)
      : FULL_SHARE;
  }

  /** Takes over what was measured with BPF statistics; too few hops say nothing. */
  calibrate(runTimeNs: number, hops: number): void {
    if (hops >= 100 && runTimeNs > 0) {
      const hopNs = Math.min(runTimeNs / hops + ENTRY_NS, 20_000);
      // Handing a trail over is part of the programs' time.
      this.kernel = { hopNs, trailNs: 0 };
    }
  }

  /** A period is over: what is to be done from now on. In windows, call it before each one. */
  decide(period: Period): Plan {
    const { elapsedMs, openMs } = period;
    // In no time at all nothing can be said of what a second costs.
    if (elapsedMs < SHORTEST_MS) return this.#plan;
    const { hopNs, trailNs } = this.kernel;
    const kernelMs = (period.hops * hopNs + period.trails * trailNs) / 1e6;
    const dropsMs = (period.closedHops * (hopNs + trailNs)) / 1e6;
    const leftOutMs = (period.leftOut * this.#leftOutNs) / 1e6;
    const ofTracing = period.hops / (period.hops + period.closedHops * HOPS_OF_DROP || 1);
    const daemonMs = Math.min(period.cpuMs * ofTracing, (period.hops * DAEMON_HOP_MOST_NS) / 1e6);
    const weight = 1 - Math.exp(-elapsedMs / AVERAGE_MS);
    const all = (kernelMs + dropsMs + leftOutMs + period.cpuMs) / elapsedMs;
    if (openMs >= SHORTEST_MS) this.#hopRate = period.hops / openMs;
    const newFlowsMs = leftOutMs + (period.closedBytes * this.#byteNs) / 1e6;
    this.#newFlowsCost = newFlowsMs / elapsedMs;
    this.#newFlows = period.newFlowsMs >= SHORTEST_MS ? newFlowsMs / period.newFlowsMs : null;
    this.#cost = this.#cost === null ? all : mix(this.#cost, all, weight);
    if (period.quiet !== null) this.#quiet = mix(this.#quiet, period.quiet, 0.5);
    const ofWindowMs = Math.min(Math.max(period.cpuMs - this.#quiet * elapsedMs, 0), daemonMs);
    const tracingMs = this.#plan.mode === 'open' ? daemonMs : ofWindowMs;
    this.#other = mix(this.#other, (period.cpuMs - tracingMs) / elapsedMs, weight);
    if (this.#plan.mode === 'open') {
      this.#tracing = mix(this.#tracing, (kernelMs + daemonMs) / elapsedMs, weight);
      this.#creditMs += this.allowed * elapsedMs - kernelMs - daemonMs;
      this.#creditMs = Math.min(this.#creditMs, CREDIT_MS);
      this.#openFor += elapsedMs;
      if (this.#openFor >= SETTLED_MS) this.#calmNeeded = CALM_WINDOWS;
      if (this.#creditMs < 0) this.#enterWindows();
    } else if (openMs >= SHORTEST_MS) {
      if (period.bytes >= TELLING_BYTES) {
        this.#byteNs = mix(this.#byteNs, ((kernelMs + tracingMs) * 1e6) / period.bytes, 0.5);
      }
      this.#afterWindow((kernelMs + tracingMs) / openMs);
    }
    return this.#plan;
  }

  /** The ring was filling up and the tracer was closed. */
  crowded(): Plan {
    this.crowdings += 1;
    if (this.#plan.mode === 'open') this.#enterWindows();
    this.#calm = 0;
    return this.#plan;
  }

  /**
   * A window that somebody asks for; null when it is too soon after the last one began. Smaller
   * the sooner, so that the budget holds however many ask.
   */
  requested(sinceLastMs: number): WindowSize | null {
    const { mode, periodMs, window } = this.#plan;
    if (mode === 'open' || sinceLastMs < REQUEST_GAP_MS) return null;
    const share = Math.min(1, sinceLastMs / periodMs);
    return {
      ms: Math.max(REQUESTED_LEAST_MS, window.ms * share),
      bytes: window.bytes * share,
      newFlowsMs: window.newFlowsMs * share,
    };
  }

  #enterWindows(): void {
    // It was opened too soon: wait longer the next time.
    const isFlapping = this.#openFor < SETTLED_MS;
    this.#calmNeeded = isFlapping
      ? Math.min(2 * this.#calmNeeded, CALM_WINDOWS_MOST)
      : CALM_WINDOWS;
    this.#calm = 0;
    this.#planWindow(WINDOW_FIRST_MS, WINDOW_PERIOD_MS);
  }

  /** @param tracing share of one core that staying open would cost, by the last window */
  #afterWindow(tracing: number): void {
    this.#tracing = mix(this.#tracing, tracing, 0.5);
    if (tracing <= this.allowed * CALM_SHARE) {
      this.#calm += 1;
      if (this.#calm >= this.#calmNeeded) {
        this.#tracing = tracing;
        this.#openFor = 0;
        this.#creditMs = CREDIT_MS * CREDIT_OF_REOPENED;
        this.#plan = OPEN;
        return;
      }
    } else {
      this.#calm = 0;
    }
    // The load may have grown since: the average alone would be late.
    const expected = Math.max(this.#tracing, tracing, 1e-9);
    const periodMs = this.#calm > 0 ? CALM_PERIOD_MS : WINDOW_PERIOD_MS;
    const ms = Math.min(this.#allowedInWindows / expected, OPEN_SHARE_MOST) * periodMs;
    this.#planWindow(Math.min(Math.max(ms, WINDOW_LEAST_MS), WINDOW_MOST_MS), periodMs);
  }

  #planWindow(ms: number, periodMs: number): void {
    const [bytes, newFlowsMs] = [this.#bytesIn(periodMs), this.#newFlowsIn(periodMs)];
    this.#plan = { mode: 'windows', detail: 'edges', window: { ms, bytes, newFlowsMs }, periodMs };
  }

  get #leftOutNs(): number {
    return LEFT_OUT_SHARE * this.kernel.hopNs;
  }

  /** What looking for new flows takes is not there for windows, which keep their part all the same. */
  get #allowedInWindows(): number {
    return Math.max(this.allowed - this.#newFlowsCost, this.budget * RESERVED_SHARE);
  }

  /** How long in a period new flows are seen, ms: as long as their share of the budget pays for. */
  #newFlowsIn(periodMs: number): number {
    const cost = this.#newFlows ?? (this.#hopRate * this.#leftOutNs) / 1e6;
    const paid = Math.max(this.budget - this.#quiet, this.budget * RESERVED_SHARE);
    const ms = (paid * NEW_FLOWS_SHARE * periodMs) / Math.max(cost, 1e-9);
    return ms < NEW_FLOWS_LEAST_MS ? 0 : Math.min(ms, periodMs);
  }

  /** Bytes of trails that the budget pays for in a period. */
  #bytesIn(periodMs: number): number {
    const paid = (this.#allowedInWindows * periodMs * 1e6) / Math.max(this.#byteNs, 1e-3);
    const most = (BYTES_A_SECOND_MOST * periodMs) / 1_000;
    return Math.max(Math.min(paid, most), WINDOW_LEAST_BYTES);
  }
}

function mix(old: number, now: number, weight: number): number {
  return old + (now - old) * weight;
}
