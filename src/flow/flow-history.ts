import { type DirectionIndex, ORIGINAL, REPLY } from './direction-index.js';
import type { Flow } from './flow.js';
import type { Leg } from './leg.js';
import { LegSample } from './leg-sample.js';

/** A step of the finer and of the coarser history, ns, and how many of each are kept. */
export const FINE_NS = 10e9;
export const FINE_POINTS = 90;
export const COARSE_NS = 60e9;
export const COARSE_POINTS = 360;
/** Of all bytes of flows, what their histories may take. */
export const HISTORY_SHARE = 0.125;
/** A flow's history before its first point, its sampled legs among it; a point; a leg in a point. */
const SERIES_BYTES = 400;
const POINT_BYTES = 240;
const LEG_BYTES = 8;
const SAMPLED_LEG_BYTES = 680;
const QUANTILES = [0.5, 0.99] as const;
/** Not a number: nothing was measured. */
const NONE = Number.NaN;

/** What a flow did in one step of time. Directions: original, reply. */
export interface HistoryPoint {
  /** Number of the step since the source's epoch. */
  readonly step: number;
  readonly packets: readonly [number, number];
  readonly bytes: readonly [number, number];
  readonly drops: number;
  /** p50 and p99 by turns of `legs`, ns; NaN where nothing was measured. */
  readonly latencies: Float32Array;
  readonly legs: readonly HistoryLeg[];
}

export interface HistoryLeg {
  readonly direction: DirectionIndex;
  readonly leg: Leg;
}

/** Oldest first; the newest of `fine` is that of the step under way. */
export interface FlowHistory {
  readonly fine: readonly HistoryPoint[];
  readonly coarse: readonly HistoryPoint[];
}

interface Totals {
  readonly packets: readonly [number, number];
  readonly bytes: readonly [number, number];
  readonly drops: number;
}

interface Series {
  step: number;
  before: Totals;
  legs: readonly HistoryLeg[];
  readonly fine: HistoryPoint[];
  readonly coarse: HistoryPoint[];
  bytes: number;
}

const NOTHING: Totals = { packets: [0, 0], bytes: [0, 0], drops: 0 };

/**
 * What flows did over time. A flow has a history from its second step of FINE_NS on: of one that
 * is over sooner its totals are all there is. Past the limit of bytes the history of the flow
 * longest without a step goes, and begins anew when that flow goes on.
 *
 * A leg's latencies within a step are sampled (leg-sample.ts): a second histogram for each leg
 * would take thirty times the memory, and one more look-up at each hop.
 */
export class FlowHistories {
  /** Histories given up for others. */
  evicted = 0;
  readonly limitBytes: number;
  /** By the flow's slot, the one longest without a step first. */
  readonly #series = new Map<number, Series>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get size(): number {
    return this.#series.size;
  }

  /** Estimated. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Before something of `time` is put to a flow: ends its step when that is over. */
  advance(flow: Flow, time: number): void {
    const { slot } = flow;
    const step = Math.floor(time / FINE_NS);
    const series = this.#series.get(slot);
    if (series === undefined) {
      // All it did so far was in its first steps: those end with this.
      const last = Math.floor(flow.last / FINE_NS);
      if (step > last && flow.packets(ORIGINAL) + flow.packets(REPLY) > 0) {
        this.#begin(flow, last, step);
      }
    } else if (step > series.step) {
      this.#series.delete(slot);
      this.#series.set(slot, series);
      this.#close(flow, series);
      series.step = step;
    }
  }

  forget(flow: Flow): void {
    const series = this.#series.get(flow.slot);
    if (series === undefined) return;
    this.#series.delete(flow.slot);
    this.#bytes -= series.bytes;
  }

  /** Points of the finer and of the coarser history, oldest first, with that of the step under way. */
  of(flow: Flow): FlowHistory {
    const series = this.#series.get(flow.slot);
    if (series === undefined) {
      const step = Math.floor(flow.last / FINE_NS);
      return { fine: [pointOf(flow, step, NOTHING, legsOf(flow), leastOf)], coarse: [] };
    }
    const current = pointOf(flow, series.step, series.before, series.legs, () => null);
    return { fine: [...series.fine, current], coarse: series.coarse };
  }

  #begin(flow: Flow, last: number, step: number): void {
    const legs = legsOf(flow);
    const series: Series = {
      step: last,
      before: NOTHING,
      legs,
      fine: [],
      coarse: [],
      bytes: SERIES_BYTES + legs.length * SAMPLED_LEG_BYTES,
    };
    // Its legs have seen nothing but these steps.
    this.#push(series, pointOf(flow, last, NOTHING, legs, leastOf));
    series.before = totalsOf(flow);
    series.step = step;
    for (const { leg } of legs) leg.sample ??= new LegSample();
    this.#series.set(flow.slot, series);
    this.#bytes += series.bytes;
    this.#shorten(flow.slot);
  }

  #close(flow: Flow, series: Series): void {
    const before = series.bytes;
    const legs = legsOf(flow);
    const isSame =
      legs.length === series.legs.length && legs.every((one, i) => one.leg === series.legs[i]?.leg);
    if (!isSame) {
      series.bytes += Math.max(0, legs.length - series.legs.length) * SAMPLED_LEG_BYTES;
      series.legs = legs;
    }
    this.#push(
      series,
      pointOf(
        flow,
        series.step,
        series.before,
        series.legs,
        (leg) => leg.sample?.take(QUANTILES) ?? null,
      ),
    );
    for (const { leg } of legs) leg.sample ??= new LegSample();
    series.before = totalsOf(flow);
    this.#bytes += series.bytes - before;
    this.#shorten(flow.slot);
  }

  #push(series: Series, point: HistoryPoint): void {
    const { fine, coarse } = series;
    fine.push(point);
    series.bytes += bytesOf(point);
    if (fine.length > FINE_POINTS) series.bytes -= bytesOf(fine.shift() as HistoryPoint);
    const minute = Math.floor((point.step * FINE_NS) / COARSE_NS);
    const last = coarse.at(-1);
    if (last?.step === minute) {
      series.bytes -= bytesOf(last);
      coarse[coarse.length - 1] = together(last, point);
    } else {
      coarse.push({ ...point, step: minute });
      if (coarse.length > COARSE_POINTS) series.bytes -= bytesOf(coarse.shift() as HistoryPoint);
    }
    series.bytes += bytesOf(coarse.at(-1) as HistoryPoint);
  }

  #shorten(but: number): void {
    for (const [slot, series] of this.#series) {
      if (this.#bytes <= this.limitBytes || slot === but) return;
      this.#series.delete(slot);
      this.#bytes -= series.bytes;
      this.evicted += 1;
    }
  }
}

function bytesOf(point: HistoryPoint): number {
  return POINT_BYTES + point.legs.length * LEG_BYTES;
}

function legsOf(flow: Flow): HistoryLeg[] {
  return ([ORIGINAL, REPLY] as const).flatMap((direction) =>
    flow.legs(direction).map((leg) => ({ direction, leg })),
  );
}

function totalsOf(flow: Flow): Totals {
  return {
    packets: [flow.packets(ORIGINAL), flow.packets(REPLY)],
    bytes: [flow.bytes(ORIGINAL), flow.bytes(REPLY)],
    drops: flow.drops(ORIGINAL) + flow.drops(REPLY),
  };
}

/** Since the start: what a leg's histogram says. */
function leastOf({ latency }: Leg): readonly number[] | null {
  return latency === null ? null : QUANTILES.map((one) => latency.quantile(one));
}

function pointOf(
  flow: Flow,
  step: number,
  before: Totals,
  legs: readonly HistoryLeg[],
  measured: (leg: Leg) => readonly number[] | null,
): HistoryPoint {
  const now = totalsOf(flow);
  const latencies = new Float32Array(legs.length * 2).fill(NONE);
  for (const [index, { leg }] of legs.entries()) {
    const quantiles = measured(leg);
    if (quantiles !== null) latencies.set(quantiles, index * 2);
  }
  const since = (a: readonly [number, number], b: readonly [number, number]): [number, number] => [
    // Counts of the kernel take the place of traced ones, and may be fewer at first.
    Math.max(0, a[0] - b[0]),
    Math.max(0, a[1] - b[1]),
  ];
  return {
    step,
    packets: since(now.packets, before.packets),
    bytes: since(now.bytes, before.bytes),
    drops: Math.max(0, now.drops - before.drops),
    latencies,
    legs,
  };
}

/** A minute with one more of its steps: of latencies the worse p99 and the larger p50. */
function together(minute: HistoryPoint, point: HistoryPoint): HistoryPoint {
  const latencies = Float32Array.from(point.latencies);
  if (minute.legs.length === point.legs.length) {
    for (const [at, value] of minute.latencies.entries()) {
      const other = latencies[at] as number;
      latencies[at] = Number.isNaN(other)
        ? value
        : Number.isNaN(value)
          ? other
          : Math.max(value, other);
    }
  }
  return {
    ...point,
    step: minute.step,
    packets: [minute.packets[0] + point.packets[0], minute.packets[1] + point.packets[1]],
    bytes: [minute.bytes[0] + point.bytes[0], minute.bytes[1] + point.bytes[1]],
    drops: minute.drops + point.drops,
    latencies,
  };
}
