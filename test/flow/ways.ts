import { ORIGINAL, REPLY } from '../../src/flow/direction-index.js';
import type { Flow } from '../../src/flow/flow.js';
import { Histogram } from '../../src/flow/histogram.js';
import type { Leg } from '../../src/flow/leg.js';

export interface Way {
  readonly packets: number;
  readonly bytes: number;
  readonly drops: number;
  readonly legs: readonly Leg[];
  readonly latency: Histogram;
}

/** What a flow has of each of its directions. */
export function ways(flow: Flow): readonly [Way, Way] {
  const [original, reply] = ([ORIGINAL, REPLY] as const).map((direction) => ({
    packets: flow.packets(direction),
    bytes: flow.bytes(direction),
    drops: flow.drops(direction),
    legs: flow.legs(direction),
    latency: flow.latency(direction) ?? new Histogram(),
  })) as [Way, Way];
  return [original, reply];
}
