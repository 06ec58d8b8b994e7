import type { HopRecord, PathRecord } from 'hopscope-protocol';
import { ipLength } from './ip-length.js';

/** Of a device's room that is drawn where everything else is smaller. */
const LEAST_SHARE = 20;

/** One device of the way: how wide it is, and what is in it. Bytes of IP. */
export interface PipePart {
  /** Unique on the way. */
  readonly place: string;
  readonly mtu: number | null;
  /** The packet itself; of a GSO packet, one segment of it. */
  readonly inner: number;
  /** Headers of tunnels around it. */
  readonly outer: number;
  readonly tunnel: string;
  readonly isSegment: boolean;
  readonly isTooLarge: boolean;
  /** Percent of the widest device, and of its own room. */
  readonly share: { readonly mtu: number; readonly filled: number };
}

/** The way as devices saw it, each once. */
export function pipeOf({ hops }: PathRecord): PipePart[] {
  const seen = new Set<string>();
  const parts: Omit<PipePart, 'share'>[] = [];
  for (const hop of hops) {
    const isDevice = hop.stage === 'egress' || hop.stage === 'ingress';
    const bytes = ipLength(hop);
    if (!isDevice || hop.dev === null || bytes === null) continue;
    const place = `${hop.netns}/${hop.dev}`;
    if (seen.has(place)) continue;
    seen.add(place);
    parts.push({ place, ...sizesOf(hop, bytes) });
  }
  const widest = Math.max(0, ...parts.map(({ mtu }) => mtu ?? 0));
  return parts.map((part) => ({ ...part, share: shareOf(part, widest) }));
}

function sizesOf(
  { gso, outer, mtu, tcp }: HopRecord,
  bytes: number,
): Omit<PipePart, 'place' | 'share'> {
  const around = outer?.overhead ?? 0;
  const isGso = gso !== null && gso.segs > 1;
  // Each segment has all the headers, and at most so much of the payload.
  const cut = isGso && tcp != null ? Math.max(0, tcp.payload - gso.size) : 0;
  const inner = bytes - around - cut;
  const isKnown = !isGso || cut > 0;
  return {
    ...{ mtu, inner, outer: around, tunnel: outer?.type ?? '', isSegment: isGso },
    isTooLarge: isKnown && mtu !== null && inner + around > mtu,
  };
}

function shareOf(
  { mtu, inner, outer }: Omit<PipePart, 'share'>,
  widest: number,
): PipePart['share'] {
  if (mtu === null || mtu === 0 || widest === 0) return { mtu: LEAST_SHARE, filled: 100 };
  return {
    mtu: Math.max(LEAST_SHARE, (mtu / widest) * 100),
    filled: Math.min(100, ((inner + outer) / mtu) * 100),
  };
}
