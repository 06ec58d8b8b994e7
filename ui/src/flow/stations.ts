import type { HopRecord, OuterRecord, Stage } from 'hopscope-protocol';
import type { Change } from './hop-changes.js';
import { changesOf } from './hop-changes.js';
import { ipLength } from './ip-length.js';

/** Where a packet stopped on its way: a device, the rules between two, a socket, or a drop. */
export interface Station {
  /** Hops of the path that it stands for: the first, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly node: string | null;
  readonly netns: string;
  readonly dev: string | null;
  readonly kind: string | null;
  readonly stage: Stage;
  /** Hooks passed, in order, each once. */
  readonly hooks: readonly string[];
  readonly mtu: number | null;
  /** Bytes of the IP packet there. */
  readonly size: number | null;
  readonly segments: number | null;
  readonly outer: OuterRecord | null;
  /** Translations of addresses that happened there. */
  readonly translations: readonly Change[];
  /** Sum of the times to its hops; null where one is not known. */
  readonly tookNs: number | null;
}

/** A run of stations that share something: a node, a namespace or a tunnel. */
export interface Span<T> {
  readonly value: T;
  readonly from: number;
  /** Stations of it. */
  readonly length: number;
}

function continues(before: HopRecord, hop: HopRecord): boolean {
  return (
    before.stage === 'netfilter' &&
    hop.stage === 'netfilter' &&
    before.netns === hop.netns &&
    before.node === hop.node &&
    (before.outer === null) === (hop.outer === null)
  );
}

/** The way of one packet in the steps that a person thinks of. */
export function stationsOf(hops: readonly HopRecord[]): Station[] {
  const changes = changesOf(hops);
  const runs: { from: number; to: number }[] = [];
  for (const [index, hop] of hops.entries()) {
    const before = hops[index - 1];
    const run = runs.at(-1);
    if (before !== undefined && run !== undefined && continues(before, hop)) run.to = index + 1;
    else runs.push({ from: index, to: index + 1 });
  }
  return runs.flatMap(({ from, to }) => {
    const own = hops.slice(from, to);
    const [first] = own;
    if (first === undefined) return [];
    const isRules = first.stage === 'netfilter';
    let tookNs: number | null = 0;
    for (const [index, { sincePrevNs }] of own.entries()) {
      if (from + index === 0) continue;
      tookNs = tookNs === null || sincePrevNs === null ? null : tookNs + sincePrevNs;
    }
    return [
      {
        ...{ from, to, node: first.node, netns: first.netns, stage: first.stage, tookNs },
        dev: isRules ? null : first.dev,
        kind: isRules ? null : first.kind,
        hooks: [...new Set(own.flatMap(({ hook }) => (hook === null ? [] : [hook])))],
        mtu: isRules ? null : first.mtu,
        size: ipLength(first),
        segments: first.gso?.segs ?? null,
        outer: first.outer,
        translations: changes
          .slice(from, to)
          .flat()
          .filter(({ kind }) => kind === 'source' || kind === 'destination'),
      },
    ];
  });
}

/** Runs of equal neighbours, by a key. */
export function spansOf<T>(stations: readonly Station[], of: (station: Station) => T): Span<T>[] {
  const spans: { value: T; from: number; length: number; key: string }[] = [];
  for (const [at, station] of stations.entries()) {
    const value = of(station);
    const key = JSON.stringify(value);
    const last = spans.at(-1);
    if (last !== undefined && last.key === key) last.length += 1;
    else spans.push({ value, key, from: at, length: 1 });
  }
  return spans;
}
