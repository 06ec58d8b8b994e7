import type { Direction, PathRecord, Stage } from 'hopscope-protocol';

/** Seconds of packets a point of the latency charts stands for. */
export const WINDOW_SECONDS = 10;
/** Paths kept for it; the oldest go first. */
export const WINDOW_PATH_LIMIT = 256;

export interface Place {
  readonly node: string | null;
  readonly netns: string;
  readonly dev: string | null;
  readonly stage: Stage;
  readonly hook: string | null;
}

/**
 * Keys for places in the order they are passed. A way may pass one place twice (a
 * hook met by the inner and by the outer packet): the second gets a number.
 */
export function placeKeys(direction: Direction, places: readonly Place[]): string[] {
  const seen = new Map<string, number>();
  return places.map(({ node, netns, dev, stage, hook }) => {
    const key = [direction, node, netns, dev, stage, hook].join('|');
    const count = (seen.get(key) ?? 0) + 1;
    seen.set(key, count);
    return count === 1 ? key : `${key}|${count}`;
  });
}

function samePlace(a: Place, b: Place): boolean {
  return (
    a.stage === b.stage &&
    a.hook === b.hook &&
    a.dev === b.dev &&
    a.netns === b.netns &&
    a.node === b.node
  );
}

/** Time from one place to the next, as legs count it: priorities of one hook are one place. */
export function legTimes(path: PathRecord, direction: Direction): Map<string, number> {
  const places: Place[] = [];
  const times: (number | null)[] = [];
  let since: number | null = 0;
  for (const [index, hop] of path.hops.entries()) {
    if (index > 0) {
      since = since === null || hop.sincePrevNs === null ? null : since + hop.sincePrevNs;
    }
    const before = places.at(-1);
    if (before !== undefined && hop.stage === 'netfilter' && samePlace(before, hop)) continue;
    places.push(hop);
    times.push(index === 0 ? null : since);
    since = 0;
  }
  const keys = placeKeys(direction, places);
  const found = new Map<string, number>();
  for (const [index, key] of keys.entries()) {
    const time = times[index] ?? null;
    if (time !== null) found.set(key, time);
  }
  return found;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly count: number;
}

/** Nearest rank: the value that at least this share of all do not pass. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

/** Latency by place over the packets of the last seconds. */
export class LegWindow {
  #entries: { readonly at: number; readonly times: ReadonlyMap<string, number> }[] = [];

  /** `at`: when it was reported, seconds. */
  add(path: PathRecord, direction: Direction, at: number): void {
    this.#entries.push({ at, times: legTimes(path, direction) });
    if (this.#entries.length > WINDOW_PATH_LIMIT) this.#entries.shift();
  }

  quantiles(now: number): Map<string, Quantiles> {
    this.#entries = this.#entries.filter(({ at }) => at > now - WINDOW_SECONDS);
    const samples = new Map<string, number[]>();
    for (const { times } of this.#entries) {
      for (const [key, time] of times) {
        const list = samples.get(key);
        if (list === undefined) samples.set(key, [time]);
        else list.push(time);
      }
    }
    return new Map(
      [...samples].map(([key, values]) => {
        values.sort((a, b) => a - b);
        const count = values.length;
        return [key, { p50: quantile(values, 0.5), p99: quantile(values, 0.99), count }];
      }),
    );
  }
}
