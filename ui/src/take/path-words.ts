import type { FlowRecord, PathRecord, TupleRecord } from 'hopscope-protocol';
import { changesOf } from '../flow/hop-changes.js';
import { stageText } from '../flow/hop-groups.js';
import { dateTime } from '../format/clock.js';
import { formatDuration } from '../format/quantity.js';

/** A packet's hops as `hopscope trace` prints them, a line each, to paste where people read. */
export function pathText(path: PathRecord): string {
  const changes = changesOf(path.hops);
  const lines = path.hops.map((hop, index) => {
    const since = hop.sincePrevNs === null ? '' : `+${formatDuration(hop.sincePrevNs)}`;
    const place = [hop.netns, hop.dev].filter((part) => part !== null).join('/');
    const stage = `${stageText(hop)}${hop.priority === null ? '' : ` ${hop.priority}`}`;
    const changed = (changes[index] ?? [])
      .map(({ label, before, after }) => `${label}: ${before ?? 'none'} → ${after ?? 'none'}`)
      .join(', ');
    const length = hop.len === null ? '' : String(hop.len);
    return `${since.padStart(10)}  ${place.padEnd(28)} ${stage.padEnd(18)} ${length.padStart(6)}  ${changed}`.trimEnd();
  });
  const tuple = path.hops.find((hop) => hop.tuple !== null)?.tuple ?? null;
  const what = tuple === null ? '' : ` ${tuple.proto} ${tuple.src} → ${tuple.dst}`;
  const reason = path.drop?.reason == null ? '' : `: ${path.drop.reason}`;
  return `${[`${dateTime(path.start)}${what} ${path.verdict}${reason}`, ...lines].join('\n')}\n`;
}

const WITH_PORTS: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp']);
const KNOWN: ReadonlySet<string> = new Set([...WITH_PORTS, 'icmp', 'arp']);

function tupleFilter({ proto, src, dst, sport, dport }: TupleRecord): string {
  const one = (
    from: string,
    fromPort: number | null,
    to: string,
    toPort: number | null,
  ): string => {
    const ports = WITH_PORTS.has(proto) && fromPort !== null && toPort !== null;
    return ports
      ? `(src host ${from} and src port ${fromPort} and dst host ${to} and dst port ${toPort})`
      : `(src host ${from} and dst host ${to})`;
  };
  const name = proto === 'icmpv6' ? 'icmp6' : KNOWN.has(proto) ? proto : null;
  const both = `(${one(src, sport, dst, dport)} or ${one(dst, dport, src, sport)})`;
  return name === null ? both : `${name} and ${both}`;
}

/**
 * A filter of pcap-filter(7) for a flow, both ways, under each of the addresses that it was seen
 * with. Inside a tunnel it matches on the tunnel's device.
 */
export function pcapFilter(flow: FlowRecord, paths: readonly PathRecord[]): string {
  const found = new Map<string, string>();
  const seen = paths.flatMap(({ hops }) => hops.flatMap(({ tuple }) => tuple ?? []));
  for (const tuple of [flow.original, ...(flow.reply === null ? [] : [flow.reply]), ...seen]) {
    const ends = [`${tuple.src} ${tuple.sport}`, `${tuple.dst} ${tuple.dport}`].sort().join(' ');
    if (!found.has(ends)) found.set(ends, tupleFilter(tuple));
  }
  const filters = [...found.values()];
  return filters.length === 1 ? (filters[0] ?? '') : filters.map((one) => `(${one})`).join(' or ');
}

function quoted(text: string): string {
  return /^[\w.@:/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A tcpdump for each device that a packet passed, in the namespace that it is in. */
export function tcpdumpCommands(flow: FlowRecord, path: PathRecord): string {
  const filter = pcapFilter(flow, [path]);
  const commands = new Set<string>();
  for (const { netns, dev, stage } of path.hops) {
    if (dev === null || (stage !== 'egress' && stage !== 'ingress')) continue;
    // A namespace without a name under /run/netns cannot be entered by one.
    const enter =
      netns === 'host' || netns.startsWith('net:') ? '' : `ip netns exec ${quoted(netns)} `;
    commands.add(`${enter}tcpdump -e -n -i ${quoted(dev)} ${quoted(filter)}`);
  }
  return `${[...commands].join('\n')}\n`;
}
