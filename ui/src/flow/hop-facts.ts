import { type DropRecord, endpointText, type HopRecord } from 'hopscope-protocol';
import type { Change, ChangeKind } from './hop-changes.js';
import { outerText } from './hop-changes.js';
import { ipLength } from './ip-length.js';

export interface Fact {
  readonly name: string;
  /** Null where it was not seen. */
  readonly value: string | null;
  /** What it was at the hops before, where it changed here. */
  readonly before: string | null;
  readonly changed: boolean;
}

export interface FactGroup {
  readonly title: string;
  readonly facts: readonly Fact[];
}

type Given = readonly [name: string, value: string | null, kind?: ChangeKind] | false;

function group(title: string, given: readonly Given[], changes: readonly Change[]): FactGroup {
  const facts = given.flatMap((one) => {
    if (one === false) return [];
    const [name, value, kind] = one;
    const change = kind === undefined ? undefined : changes.find((other) => other.kind === kind);
    return [{ name, value, before: change?.before ?? null, changed: change !== undefined }];
  });
  return { title, facts };
}

/** All that was seen of a packet at one hop, layer by layer. */
export function hopFacts(
  hop: HopRecord,
  drop: DropRecord | null,
  changes: readonly Change[],
): FactGroup[] {
  const { tuple, mac, outer, tcp, ct, vlan, gso, fragment } = hop;
  const icmp = tuple?.icmp ?? null;
  const bytes = (count: number | null): string | null => (count === null ? null : `${count} bytes`);
  const place: Given[] = [
    ['node', hop.node],
    ['namespace', hop.netns],
    [
      'device',
      hop.dev === null ? null : `${hop.dev} (${hop.ifindex ?? '?'}, ${hop.kind ?? 'hardware'})`,
    ],
    hop.hook !== null && [
      'hook',
      `${hop.hook}${hop.priority === null ? '' : `, priority ${hop.priority}`}`,
    ],
    ['MTU', bytes(hop.mtu)],
    ['mark', hop.mark, 'mark'],
    [
      'conntrack',
      ct === null ? null : `${ct.state}, zone ${ct.zone}${ct.reply === true ? ', reply' : ''}`,
      'conntrack',
    ],
  ];
  const link: Given[] = [
    ['length', bytes(hop.len), 'length'],
    ['MAC', mac === null ? null : `${mac.src} → ${mac.dst}`, 'mac'],
    vlan != null && ['VLAN', String(vlan.id)],
    gso !== null && ['offload', `${gso.segs} segments of ${gso.size} bytes in one`],
  ];
  const tunnel: Given[] =
    outer === null
      ? []
      : [
          ['header', outerText(outer), 'outer'],
          outer.dport !== null && ['ports', `${outer.sport ?? '?'} → ${outer.dport}`],
          ['overhead', bytes(outer.overhead)],
        ];
  const ip: Given[] = [
    ['length', bytes(ipLength(hop))],
    [
      'source',
      tuple === null ? null : endpointText({ address: tuple.src, port: tuple.sport }),
      'source',
    ],
    [
      'destination',
      tuple === null ? null : endpointText({ address: tuple.dst, port: tuple.dport }),
      'destination',
    ],
    ['TTL', hop.ttl === null ? null : String(hop.ttl), 'ttl'],
    hop.ipId != null && ['id', String(hop.ipId)],
    fragment != null && [
      'fragment',
      `from byte ${fragment.offset}${fragment.more ? ', others follow' : ', the last'}`,
    ],
  ];
  const transport: Given[] = [
    ['protocol', tuple?.proto ?? null],
    icmp !== null && [
      'ICMP',
      `type ${icmp.type} code ${icmp.code} id ${icmp.id ?? '–'} seq ${icmp.seq ?? '–'}`,
    ],
    icmp?.mtu !== undefined && ['MTU in the error', bytes(icmp.mtu)],
    tcp != null && ['TCP', `[${tcp.flags}] seq ${tcp.seq} ack ${tcp.ack}, ${tcp.payload} bytes`],
    tcp?.mss != null && ['options', `MSS ${tcp.mss}, window scale ${tcp.windowScale ?? 'none'}`],
  ];
  const end: Given[] =
    drop === null
      ? []
      : [
          ['reason', drop.reason],
          ['function', drop.location],
          ['table', drop.tables.join(' or ') || null],
          ['chain', drop.chain],
          ['rule', drop.rule],
        ];
  return [
    group('Place', place, changes),
    group('Frame', link, changes),
    ...(tunnel.length === 0 ? [] : [group('Outer header', tunnel, changes)]),
    group('IP', ip, changes),
    group('Transport', transport, changes),
    ...(end.length === 0 ? [] : [group('Drop', end, changes)]),
  ];
}
