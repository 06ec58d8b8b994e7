import type { Direction, OctavesRecord, PathRecord, Stage } from 'hopscope-protocol';

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

/** The leg that each hop of a path is part of: priorities of one hook in a row are one place. */
export function hopKeys(path: PathRecord, direction: Direction): string[] {
  const places: Place[] = [];
  const placeOf: number[] = [];
  for (const hop of path.hops) {
    const before = places.at(-1);
    const goesOn = before !== undefined && hop.stage === 'netfilter' && samePlace(before, hop);
    if (!goesOn) places.push(hop);
    placeOf.push(places.length - 1);
  }
  const keys = placeKeys(direction, places);
  return placeOf.map((at) => keys[at] ?? '');
}

/** Time from one place to the next, as legs count it. */
export function legTimes(path: PathRecord, direction: Direction): Map<string, number> {
  const keys = hopKeys(path, direction);
  const found = new Map<string, number>();
  let since: number | null = 0;
  for (const [index, hop] of path.hops.entries()) {
    if (index === 0) continue;
    since = since === null || hop.sincePrevNs === null ? null : since + hop.sincePrevNs;
    const key = keys[index] ?? '';
    if (key === keys[index - 1]) continue;
    if (since !== null) found.set(key, since);
    since = 0;
  }
  return found;
}

export interface Quantiles {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
  readonly octaves: OctavesRecord;
}

/** Nearest rank: the value that at least this share of all do not pass. */
function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function octaves(sorted: readonly number[]): OctavesRecord {
  const octave = (value: number): number => Math.floor(Math.log2(Math.max(1, value)));
  const from = octave(sorted[0] ?? 1);
  const counts = new Array<number>(octave(sorted.at(-1) ?? 1) - from + 1).fill(0);
  for (const value of sorted)
    counts[octave(value) - from] = (counts[octave(value) - from] ?? 0) + 1;
  return { from, counts };
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
        const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => quantile(values, share));
        const found: Quantiles = {
          ...{ p50: p50 ?? 0, p90: p90 ?? 0, p99: p99 ?? 0, max: values.at(-1) ?? 0 },
          ...{ count: values.length, octaves: octaves(values) },
        };
        return [key, found];
      }),
    );
  }
}
