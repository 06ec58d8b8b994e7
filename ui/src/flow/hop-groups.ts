import type { HopRecord } from 'hopscope-protocol';
import { type Change, changesOf } from './hop-changes.js';

export interface HopItem {
  readonly kind: 'hop';
  /** Position in the path, from 0. */
  readonly index: number;
  readonly hop: HopRecord;
  readonly changes: readonly Change[];
  readonly sinceNs: number | null;
}

/** Netfilter hops in a row at which nothing changed. */
export interface FoldItem {
  readonly kind: 'fold';
  readonly index: number;
  readonly items: readonly HopItem[];
  /** Sum over them; `null` when one is not known. */
  readonly sinceNs: number | null;
}

export interface HopGroup {
  readonly node: string | null;
  readonly netns: string;
  readonly items: readonly (HopItem | FoldItem)[];
}

/** Hops in order, grouped where they follow each other in one namespace. */
export function groupHops(hops: readonly HopRecord[], fold: boolean): HopGroup[] {
  const changes = changesOf(hops);
  const groups: { node: string | null; netns: string; items: HopItem[] }[] = [];
  hops.forEach((hop, index) => {
    const item: HopItem = {
      kind: 'hop',
      index,
      hop,
      changes: changes[index] ?? [],
      sinceNs: hop.sincePrevNs,
    };
    const group = groups.at(-1);
    if (group !== undefined && group.node === hop.node && group.netns === hop.netns) {
      group.items.push(item);
    } else groups.push({ node: hop.node, netns: hop.netns, items: [item] });
  });
  return groups.map((group) => ({ ...group, items: fold ? foldItems(group.items) : group.items }));
}

function isQuiet({ hop, changes }: HopItem): boolean {
  return hop.stage === 'netfilter' && changes.every(({ kind }) => kind === 'conntrack');
}

function foldItems(items: readonly HopItem[]): (HopItem | FoldItem)[] {
  const folded: (HopItem | FoldItem)[] = [];
  let run: HopItem[] = [];
  const end = (): void => {
    const [first] = run;
    if (first !== undefined && run.length > 1) {
      folded.push({ kind: 'fold', index: first.index, items: run, sinceNs: total(run) });
    } else folded.push(...run);
    run = [];
  };
  for (const item of items) {
    if (isQuiet(item)) run.push(item);
    else {
      end();
      folded.push(item);
    }
  }
  end();
  return folded;
}

function total(items: readonly HopItem[]): number | null {
  let sum = 0;
  for (const { sinceNs } of items) {
    if (sinceNs === null) return null;
    sum += sinceNs;
  }
  return sum;
}

/** Nanoseconds from the first hop to the last; `null` when a time between is not known. */
export function totalTime(hops: readonly HopRecord[]): number | null {
  let sum = 0;
  for (const hop of hops.slice(1)) {
    if (hop.sincePrevNs === null) return null;
    sum += hop.sincePrevNs;
  }
  return hops.length < 2 ? null : sum;
}

/** What a hop is, in a word or two. */
export function stageText(hop: HopRecord): string {
  if (hop.stage === 'netfilter') return hop.hook ?? 'netfilter';
  if (hop.stage === 'deliver') return 'socket';
  if (hop.stage === 'drop') return 'dropped';
  return hop.stage;
}
