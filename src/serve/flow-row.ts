import type { FlowRecord, PathRecord } from '../model/records.js';
import { type FlowRow, pathDirection, type Rate, type RowVerdict } from './protocol.js';

export interface DirectionRates {
  readonly original: Rate;
  readonly reply: Rate;
}

/** Nanoseconds from first to last hop; `null` when a time between is not known. */
export function pathDuration(path: PathRecord): number | null {
  let total = 0;
  for (const hop of path.hops.slice(1)) {
    if (hop.sincePrevNs === null) return null;
    total += hop.sincePrevNs;
  }
  return path.hops.length < 2 ? null : total;
}

/** Nearest-rank percentile of values in ascending order. */
export function percentile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;
}

function verdictOf(flow: FlowRecord, paths: readonly PathRecord[]): RowVerdict {
  const newest = paths.find(({ verdict }) => verdict !== 'unknown')?.verdict ?? null;
  const dropped = BigInt(flow.drops.original) + BigInt(flow.drops.reply) > 0n;
  if (newest === 'dropped') return 'dropped';
  if (dropped) return newest === null ? 'dropped' : 'lossy';
  if (newest !== null) return newest;
  return flow.legs.some(({ stage }) => stage === 'deliver') ? 'delivered' : 'unknown';
}

function mostFrequent(reasons: Readonly<Record<string, string>>): string | null {
  let found: string | null = null;
  let most = 0n;
  for (const [reason, count] of Object.entries(reasons)) {
    if (BigInt(count) > most) {
      most = BigInt(count);
      found = reason;
    }
  }
  return found;
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

/** One line of the table. `paths` are the flow's newest, newest first. */
export function flowRow(
  flow: FlowRecord,
  paths: readonly PathRecord[],
  rates: DirectionRates | null,
): FlowRow {
  const { original, nat } = flow;
  const latency = flow.latencyNs?.original ?? null;
  const durations = (latency === null ? paths : [])
    .filter((path) => path.verdict !== 'dropped' && pathDirection(flow, path) === 'original')
    .map(pathDuration)
    .filter((duration) => duration !== null)
    .sort((a, b) => a - b);
  return {
    id: flow.id,
    state: flow.state,
    start: flow.start,
    last: flow.last,
    proto: original.proto,
    service: flow.service,
    srcName: flow.src.name,
    srcNode: flow.src.node,
    src: { address: original.src, port: original.sport },
    dst: { address: original.dst, port: original.dport },
    dstName: flow.dst.name,
    dstNode: flow.dst.node,
    dnat: nat.dnat === null ? null : { address: nat.dnat.dst, port: nat.dnat.dport },
    snat: nat.snat === null ? null : { address: nat.snat.src, port: nat.snat.sport },
    verdict: verdictOf(flow, paths),
    dropReason: mostFrequent(flow.drops.reasons),
    drops: String(BigInt(flow.drops.original) + BigInt(flow.drops.reply)),
    encapsulation: flow.encapsulation.map(({ type, overhead }) => ({ type, overhead })),
    mtu: flow.mtu.verdict,
    packets: String(BigInt(flow.packets.original) + BigInt(flow.packets.reply)),
    bytes: String(BigInt(flow.bytes.original) + BigInt(flow.bytes.reply)),
    packetsPerSecond: rates && sum(rates.original.packetsPerSecond, rates.reply.packetsPerSecond),
    bytesPerSecond: rates && sum(rates.original.bytesPerSecond, rates.reply.bytesPerSecond),
    p50: latency?.p50 ?? percentile(durations, 0.5),
    p99: latency?.p99 ?? percentile(durations, 0.99),
  };
}
