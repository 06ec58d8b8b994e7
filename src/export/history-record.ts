import {
  type FlowHistoryRecord,
  HISTORY_LEG_LIMIT,
  type HistoryLegRecord,
  type HistoryPointRecord,
} from 'hopscope-protocol';
import { ORIGINAL } from '../flow/direction-index.js';
import { COARSE_NS, FINE_NS, type FlowHistory, type HistoryPoint } from '../flow/flow-history.js';
import type { Leg } from '../flow/leg.js';
import type { Names } from '../name/names.js';
import type { Epoch } from '../wire/clock.js';
import { legPlace } from './flow-record.js';

/** What a flow did over time, with the names of its legs. */
export function historyRecord(history: FlowHistory, names: Names, epoch: Epoch): FlowHistoryRecord {
  const legs: HistoryLegRecord[] = [];
  const numbers = new Map<Leg, number>();
  const numberOf = ({ leg, direction }: HistoryPoint['legs'][number]): number | null => {
    const known = numbers.get(leg);
    if (known !== undefined) return known;
    if (legs.length >= HISTORY_LEG_LIMIT) return null;
    const { node, netns, dev, stage, hook } = legPlace(leg, names);
    const way = direction === ORIGINAL ? 'original' : 'reply';
    legs.push({ direction: way, node, netns, dev, stage, hook });
    numbers.set(leg, legs.length - 1);
    return legs.length - 1;
  };
  const wallSeconds = (ns: number): number =>
    Number(names.wallClock(epoch.monotonicNs + BigInt(Math.round(ns))) / 1_000_000n) / 1_000;
  const point = (from: HistoryPoint, stepNs: number): HistoryPointRecord => {
    const p50: (number | null)[] = [];
    const p99: (number | null)[] = [];
    for (const [index, leg] of from.legs.entries()) {
      const at = numberOf(leg);
      if (at === null) continue;
      p50[at] = known(from.latencies[index * 2]);
      p99[at] = known(from.latencies[index * 2 + 1]);
    }
    return {
      at: wallSeconds(from.step * stepNs),
      packets: from.packets,
      bytes: from.bytes,
      drops: from.drops,
      p50: Array.from(p50, (value) => value ?? null),
      p99: Array.from(p99, (value) => value ?? null),
    };
  };
  // The newest first, so that legs have the order in which they are passed now.
  const newest = (points: readonly HistoryPoint[], stepNs: number): HistoryPointRecord[] =>
    [...points]
      .reverse()
      .map((one) => point(one, stepNs))
      .reverse();
  return {
    fineSeconds: FINE_NS / 1e9,
    fine: newest(history.fine, FINE_NS),
    coarseSeconds: COARSE_NS / 1e9,
    coarse: newest(history.coarse, COARSE_NS),
    legs,
  };
}

function known(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : Math.round(value);
}
