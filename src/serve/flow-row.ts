import {
  type FlowRecord,
  type FlowRow,
  flowTags,
  type PathVerdict,
  type Rate,
  type RowVerdict,
} from 'hopscope-protocol';

export interface DirectionRates {
  readonly original: Rate;
  readonly reply: Rate;
}

/** What the table says of a flow whose newest packet met `verdict`. */
export function rowVerdict(verdict: PathVerdict, dropped: boolean): RowVerdict {
  if (!dropped || verdict === 'dropped') return verdict;
  return verdict === 'unknown' ? 'dropped' : 'lossy';
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

/** Both directions, and every hop between two nodes, often have the same kind. */
function kinds(encapsulation: FlowRecord['encapsulation']): FlowRow['encapsulation'] {
  const found = new Map(
    encapsulation.map(({ type, overhead }) => [`${type} ${overhead}`, { type, overhead }]),
  );
  return [...found.values()];
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

/** The row with what its flow has sent in a second, or `null` where that is not known. */
export function withRates(row: FlowRow, rates: DirectionRates | null): FlowRow {
  return {
    ...row,
    packetsPerSecond: rates && sum(rates.original.packetsPerSecond, rates.reply.packetsPerSecond),
    bytesPerSecond: rates && sum(rates.original.bytesPerSecond, rates.reply.bytesPerSecond),
  };
}

/** Nothing where there are none: most rows of a machine without a cluster. */
export function tagsOf(tags: readonly string[]): Pick<FlowRow, 'tags'> {
  return tags.length === 0 ? {} : { tags };
}

/** One line of the table, without rates. */
export function flowRow(flow: FlowRecord): FlowRow {
  const { original, nat } = flow;
  const latency = flow.latencyNs?.original ?? null;
  const duplicates =
    BigInt(flow.tcp?.original.duplicates ?? 0) + BigInt(flow.tcp?.reply.duplicates ?? 0);
  const drops = BigInt(flow.drops.original) + BigInt(flow.drops.reply) - duplicates;
  return {
    id: flow.id,
    state: flow.state,
    ...(flow.ended === true ? { ended: true as const } : {}),
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
    answered: flow.reply !== null,
    dnat: nat.dnat === null ? null : { address: nat.dnat.dst, port: nat.dnat.dport },
    snat: nat.snat === null ? null : { address: nat.snat.src, port: nat.snat.sport },
    verdict: rowVerdict(flow.verdict, drops > 0n),
    dropReason: mostFrequent(flow.drops.reasons),
    drops: String(drops),
    encapsulation: kinds(flow.encapsulation),
    mtu: flow.mtu.verdict,
    packets: String(BigInt(flow.packets.original) + BigInt(flow.packets.reply)),
    bytes: String(BigInt(flow.bytes.original) + BigInt(flow.bytes.reply)),
    packetsPerSecond: null,
    bytesPerSecond: null,
    p50: latency?.p50 ?? null,
    p99: latency?.p99 ?? null,
    ...tagsOf(flowTags([flow.src, flow.dst], flow.service)),
  };
}
