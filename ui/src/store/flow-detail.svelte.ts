import type { FlowRecord, LegRecord, PathRecord } from '../../../src/model/records.js';
import type { FlowMessage, Rate } from '../../../src/serve/protocol.js';
import { toSeconds } from '../format/clock.js';
import { History } from './history.js';

/** A leg with the name its series have in the history. */
export interface NamedLeg {
  readonly key: string;
  readonly leg: LegRecord;
}

/**
 * Legs by where they are. A path may pass one place twice (a hook met by the inner
 * and by the outer packet): the second gets a number.
 */
export function nameLegs(legs: readonly LegRecord[]): NamedLeg[] {
  const seen = new Map<string, number>();
  return legs.map((leg) => {
    const place = [leg.direction, leg.node, leg.netns, leg.dev, leg.stage, leg.hook].join('|');
    const count = (seen.get(place) ?? 0) + 1;
    seen.set(place, count);
    return { key: count === 1 ? place : `${place}|${count}`, leg };
  });
}

/** One flow that is being followed: its record, newest paths and their history. */
export class FlowDetailStore {
  readonly id: string;
  flow = $state.raw<FlowRecord | null>(null);
  /** Newest first. */
  paths = $state.raw<readonly PathRecord[]>([]);
  rates = $state.raw<{ readonly original: Rate; readonly reply: Rate } | null>(null);
  now = $state('0');
  /** True once the daemon has answered. */
  received = $state(false);
  /** The flow has left the daemon's table; what is shown is its last state. */
  gone = $state(false);
  readonly history = new History();
  /** Rises with every point of the history. */
  ticks = $state(0);

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
    const known = new Map([...this.paths, ...message.paths].map((path) => [path.id, path]));
    this.paths = message.pathIds.map((id) => known.get(id)).filter((path) => path !== undefined);
    this.#record(message.flow, message);
  }

  #record(flow: FlowRecord, message: FlowMessage): void {
    const values = new Map<string, number | null>();
    for (const direction of ['original', 'reply'] as const) {
      const rate = message.rates?.[direction];
      values.set(`packets|${direction}`, rate?.packetsPerSecond ?? null);
      values.set(`bytes|${direction}`, rate?.bytesPerSecond ?? null);
    }
    for (const { key, leg } of nameLegs(flow.legs)) {
      if (leg.latencyNs === null) continue;
      values.set(`p50|${key}`, leg.latencyNs.p50);
      values.set(`p99|${key}`, leg.latencyNs.p99);
    }
    this.history.push(toSeconds(message.now), values);
    this.ticks += 1;
  }
}
