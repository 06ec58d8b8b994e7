import {
  type FlowHistoryRecord,
  type FlowMessage,
  type FlowRecord,
  type FlowRow,
  type PathRecord,
  pathDirection,
  type Rate,
} from 'hopscope-protocol';
import { toSeconds } from '../format/clock.js';
import { History } from './history.js';
import { LegWindow, placeKeys, type Quantiles } from './leg-window.js';

/** One flow that is being followed: its record, newest paths and their history. */
export class FlowDetailStore {
  readonly id: string;
  flow = $state.raw<FlowRecord | null>(null);
  /** Newest first. */
  paths = $state.raw<readonly PathRecord[]>([]);
  rates = $state.raw<{ readonly original: Rate; readonly reply: Rate } | null>(null);
  /** The flows of its chain through proxies, itself among them; empty without one. */
  chain = $state.raw<readonly FlowRow[]>([]);
  now = $state('0');
  /** True once the daemon has answered. */
  received = $state(false);
  /** The flow has left the daemon's table; what is shown is its last state. */
  gone = $state(false);
  readonly history = new History();
  readonly #window = new LegWindow();
  /** Rises with every point of the history. */
  ticks = $state(0);
  /** Times to each hop over the packets of the last seconds, by the leg's key. */
  recent = $state.raw<ReadonlyMap<string, Quantiles>>(new Map());

  constructor(id: string) {
    this.id = id;
  }

  apply(message: FlowMessage): void {
    this.received = true;
    this.now = message.now;
    this.gone = message.flow === null;
    if (message.flow === null) return;
    this.flow = message.flow;
    this.rates = message.rates;
    this.chain = message.chain;
    const known = new Map([...this.paths, ...message.paths].map((path) => [path.id, path]));
    this.paths = message.pathIds.map((id) => known.get(id)).filter((path) => path !== undefined);
    this.#record(message.flow, message);
  }

  /** What was before the page looked at the flow: the coarse steps, then the fine ones. */
  fill(history: FlowHistoryRecord | null): void {
    if (history === null) return;
    const keys = (['original', 'reply'] as const).flatMap((direction) =>
      placeKeys(
        direction,
        history.legs.filter((leg) => leg.direction === direction),
      ),
    );
    const order = (['original', 'reply'] as const).flatMap((direction) =>
      history.legs.flatMap((leg, at) => (leg.direction === direction ? [at] : [])),
    );
    const fineFrom = history.fine[0]?.at ?? Number.POSITIVE_INFINITY;
    const points = [
      ...history.coarse
        .filter(({ at }) => at + history.coarseSeconds <= fineFrom)
        .map((point) => ({ point, seconds: history.coarseSeconds })),
      ...history.fine.map((point) => ({ point, seconds: history.fineSeconds })),
    ].map(({ point, seconds }) => {
      const values = new Map<string, number | null>();
      for (const [at, direction] of (['original', 'reply'] as const).entries()) {
        values.set(`packets|${direction}`, (point.packets[at] ?? 0) / seconds);
        values.set(`bytes|${direction}`, (point.bytes[at] ?? 0) / seconds);
      }
      for (const [index, key] of keys.entries()) {
        const leg = order[index] ?? 0;
        values.set(`p50|${key}`, point.p50[leg] ?? null);
        values.set(`p99|${key}`, point.p99[leg] ?? null);
      }
      return { time: point.at + seconds / 2, values };
    });
    this.history.fill(points);
    this.ticks += 1;
  }

  #record(flow: FlowRecord, message: FlowMessage): void {
    const values = new Map<string, number | null>();
    for (const direction of ['original', 'reply'] as const) {
      const rate = message.rates?.[direction];
      values.set(`packets|${direction}`, rate?.packetsPerSecond ?? null);
      values.set(`bytes|${direction}`, rate?.bytesPerSecond ?? null);
    }
    const now = toSeconds(message.now);
    for (const path of message.paths) this.#window.add(path, pathDirection(flow, path), now);
    this.recent = this.#window.quantiles(now);
    for (const [key, { p50, p99 }] of this.recent) {
      values.set(`p50|${key}`, p50);
      values.set(`p99|${key}`, p99);
    }
    this.history.push(now, values);
    this.ticks += 1;
  }
}
