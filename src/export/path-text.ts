import type {
  FragmentRecord,
  HopRecord,
  IcmpRecord,
  PathRecord,
  TupleRecord,
} from 'hopscope-protocol';
import { painter, verdictColour } from './colour.js';
import { durationText } from './duration-text.js';
import { printableRecord } from './printable.js';

/** An address with its port, IPv6 in brackets. */
export function endpointText(address: string, port: number | null): string {
  if (port === null) {
    return address;
  }
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function tupleText(tuple: TupleRecord): string {
  return `${endpointText(tuple.src, tuple.sport)} → ${endpointText(tuple.dst, tuple.dport)}`;
}

/** A packet for a person: one line of summary, one line a hop, what changed after it. */
export function pathText(record: PathRecord, colour: boolean): string {
  const paint = painter(colour);
  const path = printableRecord(record);
  const first = path.hops[0];
  const tuple = first?.tuple ?? null;
  const time = new Date(Number(BigInt(path.start) / 1_000_000n)).toISOString().slice(11, 23);
  const detail = first?.tcp
    ? ` [${first.tcp.flags}] seq ${first.tcp.seq}`
    : tuple?.icmp
      ? icmpText(tuple.icmp)
      : '';
  const verdict = paint(verdictColour(path.verdict), path.verdict);
  const drop =
    path.drop === null
      ? ''
      : paint(
          'red',
          ` ${[
            path.drop.reason,
            path.drop.location === null ? null : `in ${path.drop.location}`,
            path.drop.hook === null
              ? null
              : `at ${path.drop.hook} ${path.drop.tables.join(' or ')}`.trim(),
          ]
            .filter((part) => part !== null)
            .join(' ')}`,
        );
  const lines = [
    `${time} ${paint('bold', tuple === null ? '?' : `${tuple.proto} ${tupleText(tuple)}`)}${detail} ${verdict}${drop}${path.complete ? '' : paint('yellow', ' (hops missing)')}`,
  ];
  let previous: HopRecord | null = null;
  for (const hop of path.hops) {
    const since = hop.sincePrevNs === null ? '' : `+${durationText(hop.sincePrevNs)}`;
    const where = `${hop.netns}${hop.dev === null ? '' : `/${hop.dev}`}`;
    const what = (hop.stage === 'netfilter' ? `${hop.hook} ${hop.priority}` : hop.stage).padEnd(17);
    const stage = hop.stage === 'drop' ? paint('red', what) : what;
    const changes = changesText(previous, hop);
    lines.push(
      `  ${since.padStart(11)}  ${where.padEnd(26)} ${stage} ${String(hop.len ?? '').padStart(5)}  ${paint('cyan', changes)}`.trimEnd(),
    );
    previous = hop;
  }
  return lines.join('\n');
}

function icmpText({ type, code, id, seq, mtu }: IcmpRecord): string {
  return id === null && mtu !== undefined
    ? ` type ${type} code ${code} mtu ${mtu}`
    : ` type ${type} id ${id ?? '-'} seq ${seq ?? '-'}`;
}

/** Where in its packet a fragment lies; `+` when others come after it. */
function fragmentText({ offset, more }: FragmentRecord): string {
  return `fragment ${offset}${more ? '+' : ''}`;
}

/** What is new at a hop against the one before it. */
export function changesText(previous: HopRecord | null, hop: HopRecord): string {
  const parts: string[] = [];
  if (hop.mac !== null && JSON.stringify(hop.mac) !== JSON.stringify(previous?.mac ?? null)) {
    parts.push(`mac ${hop.mac.src} → ${hop.mac.dst}`);
  }
  const outer = hop.outer;
  if (outer !== null && previous?.outer == null) {
    const vni = outer.vni === null ? '' : ` vni ${outer.vni}`;
    const key = outer.key === undefined ? '' : ` key ${outer.key}`;
    parts.push(`+${outer.type} ${outer.src} → ${outer.dst}${vni}${key} (+${outer.overhead})`);
  }
  const fragment = hop.fragment ?? null;
  const before = previous?.fragment ?? null;
  if (fragment !== null && (fragment.offset !== before?.offset || fragment.more !== before.more)) {
    parts.push(fragmentText(fragment));
  }
  if (previous === null) {
    return parts.join(', ');
  }
  if (fragment === null && before !== null) {
    parts.push('whole');
  }
  if (outer === null && previous.outer !== null) {
    parts.push(`-${previous.outer.type}`);
  }
  if (hop.tuple !== null && previous.tuple !== null) {
    const was = previous.tuple;
    if (was.dst !== hop.tuple.dst || was.dport !== hop.tuple.dport) {
      parts.push(`dst ${endpointText(hop.tuple.dst, hop.tuple.dport)}`);
    }
    if (was.src !== hop.tuple.src || was.sport !== hop.tuple.sport) {
      parts.push(`src ${endpointText(hop.tuple.src, hop.tuple.sport)}`);
    }
  }
  if (hop.ttl !== null && previous.ttl !== null && hop.ttl !== previous.ttl) {
    parts.push(`ttl ${hop.ttl}`);
  }
  if (hop.mark !== previous.mark) {
    parts.push(`mark ${hop.mark}`);
  }
  if (hop.ct !== null && hop.ct.state !== previous.ct?.state) {
    parts.push(`ct ${hop.ct.state}`);
  }
  return parts.join(', ');
}
