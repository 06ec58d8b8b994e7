import type { Direction, FlowRecord, LegRecord, PathRecord } from 'hopscope-protocol';
import { formatDuration, formatExact, plural } from '../format/quantity.js';
import { nameLegs } from '../store/named-legs.js';
import { newestDropped, type PathsByDirection } from './packet-choice.js';

/** What matters most of a flow, in a sentence, and the hop that it is about. */
export interface Answer {
  readonly tone: 'bad' | 'warn' | 'good' | 'dim';
  readonly text: string;
  readonly direction: Direction | null;
  /** The packet that shows it; null where it is about no single one. */
  readonly packet: PathRecord | null;
  /** The leg that it is about, by its key. */
  readonly leg: string | null;
}

export interface SlowestLeg {
  readonly key: string;
  readonly leg: LegRecord;
  readonly p50: number;
  /** Of the sum of all legs' p50 of its direction, 0 to 1. */
  readonly share: number;
}

/** The leg of a direction that takes longest, by its p50. */
export function slowestLeg(flow: FlowRecord, direction: Direction): SlowestLeg | null {
  let sum = 0;
  let found: { key: string; leg: LegRecord; p50: number } | null = null;
  for (const { key, leg } of nameLegs(flow.legs)) {
    const p50 = leg.direction === direction ? (leg.latencyNs?.p50 ?? 0) : 0;
    sum += p50;
    if (p50 > (found?.p50 ?? 0)) found = { key, leg, p50 };
  }
  return found === null ? null : { ...found, share: found.p50 / sum };
}

export function legLabel({ netns, dev, hook, stage }: LegRecord): string {
  return [netns, dev, hook ?? stage].filter((part) => part !== null).join(' ');
}

/** `on node112 in forward, table filter, chain …, rule …`: as much of it as is known. */
export function dropPlace({ drop, hops }: PathRecord): string {
  const last = hops.at(-1);
  const before = hops.at(-2);
  const parts = [`on ${last?.netns ?? 'a place not seen'}`];
  if (drop?.hook != null) {
    parts[0] += ` in ${drop.hook}`;
    if (drop.tables.length > 0) parts.push(`table ${drop.tables.join(' or ')}`);
    if (drop.chain !== null) parts.push(`chain ${drop.chain}`);
    if (drop.rule !== null) parts.push(`rule ${drop.rule}`);
  } else {
    const dev = last?.dev ?? (before?.netns === last?.netns ? before?.dev : null) ?? null;
    if (dev !== null) parts[0] += ` at ${dev}`;
    if (drop?.location != null) parts.push(`in ${drop.location}`);
  }
  return parts.join(', ');
}

function lossOf(flow: FlowRecord): bigint {
  const duplicates = flow.tcp == null ? [] : [flow.tcp.original, flow.tcp.reply];
  const drops = BigInt(flow.drops.original) + BigInt(flow.drops.reply);
  return duplicates.reduce((left, way) => left - BigInt(way.duplicates), drops);
}

function droppedAnswer(flow: FlowRecord, paths: PathsByDirection, lost: bigint): Answer {
  const packet = [newestDropped(paths.original), newestDropped(paths.reply)]
    .filter((path) => path !== null)
    .sort((a, b) => (BigInt(a.start) < BigInt(b.start) ? 1 : -1))[0];
  const all = BigInt(flow.packets.original) + BigInt(flow.packets.reply);
  const many = `${formatExact(String(lost))} of ${plural(Number(all), 'packet')}`;
  const isOver = flow.verdict !== 'dropped';
  const tone = isOver ? 'warn' : 'bad';
  if (packet === undefined) {
    const reasons = Object.keys(flow.drops.reasons).join(', ');
    const text = `${many} dropped${reasons === '' ? '' : `: ${reasons}`}. No packet that is kept shows where.`;
    return { tone, text, direction: null, packet: null, leg: null };
  }
  const reason = packet.drop?.reason ?? 'reason not known';
  const where = `${dropPlace(packet)}: ${reason}`;
  return {
    tone,
    text: isOver ? `${many} dropped, the last one ${where}` : `Dropped ${where}. ${many}.`,
    direction: paths.reply.includes(packet) ? 'reply' : 'original',
    packet,
    leg: null,
  };
}

/** The sentence on top of a flow's page. */
export function answerOf(flow: FlowRecord, paths: PathsByDirection, direction: Direction): Answer {
  const lost = lossOf(flow);
  if (lost > 0n) return droppedAnswer(flow, paths, lost);
  const found = slowestLeg(flow, direction);
  const none = { direction: null, packet: null, leg: null };
  if (found === null) {
    const counted = BigInt(flow.packets.original) + BigInt(flow.packets.reply);
    const text =
      flow.legs.length === 0 && counted > 0n
        ? 'Counted, not traced: no window met this flow, so nothing is known of its hops.'
        : 'No times between hops are known yet.';
    return { tone: 'dim', text, ...none };
  }
  const share = Math.round(found.share * 100);
  const text = `Slowest: ${legLabel(found.leg)}, p50 ${formatDuration(found.p50)}, ${share}% of the way`;
  return { tone: 'good', text, direction, packet: null, leg: found.key };
}
