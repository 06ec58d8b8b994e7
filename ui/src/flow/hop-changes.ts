import {
  endpointText,
  type HopRecord,
  type OuterRecord,
  type TupleRecord,
} from 'hopscope-protocol';
import { tablesBetween } from './netfilter-tables.js';

export type ChangeKind =
  | 'source'
  | 'destination'
  | 'mac'
  | 'ttl'
  | 'mark'
  | 'outer'
  | 'length'
  | 'conntrack';

/** Something that is otherwise at this hop than at the ones before. */
export interface Change {
  readonly kind: ChangeKind;
  readonly label: string;
  readonly before: string | null;
  readonly after: string | null;
  /** The tables between the two observations, where one of them did it. */
  readonly by: string | null;
}

/** Values as last seen on the way; a hop that does not show one leaves it as it was. */
interface Known {
  tuple: TupleRecord | null;
  mac: { readonly src: string; readonly dst: string } | null;
  ttl: number | null;
  mark: string | null;
  outer: OuterRecord | null;
  /** Of the last device: at a netfilter hook there is no frame. */
  length: number | null;
  framed: boolean;
  conntrack: string | null;
}

function source(tuple: TupleRecord): string {
  return endpointText({ address: tuple.src, port: tuple.sport });
}

function destination(tuple: TupleRecord): string {
  return endpointText({ address: tuple.dst, port: tuple.dport });
}

export function outerText(outer: OuterRecord): string {
  const vni = outer.vni === null ? '' : ` VNI ${outer.vni}`;
  const key = outer.key === undefined ? '' : ` key ${outer.key}`;
  return `${outer.type}${vni}${key} ${outer.src} → ${outer.dst}`;
}

/** Names of the tables between two observations at one hook, `null` when they are not. */
function passedBetween(before: HopRecord, hop: HopRecord): string | null {
  if (before.hook === null || before.hook !== hop.hook || before.netns !== hop.netns) return null;
  if (before.priority === null || hop.priority === null) return null;
  const tables = tablesBetween(before.priority, hop.priority);
  return tables.length === 0 ? null : tables.join(' or ');
}

function compare(known: Known, before: HopRecord, hop: HopRecord): Change[] {
  const changes: Change[] = [];
  const by = passedBetween(before, hop);
  const add = (kind: ChangeKind, label: string, old: string | null, now: string | null): void => {
    if (old !== now)
      changes.push({ kind, label, before: old, after: now, by: kind === 'conntrack' ? null : by });
  };
  if (hop.outer !== null || known.outer !== null) {
    const old = known.outer === null ? null : outerText(known.outer);
    const now = hop.outer === null ? null : outerText(hop.outer);
    const label =
      hop.outer === null
        ? 'outer header removed'
        : known.outer === null
          ? `outer header added, ${hop.outer.overhead} bytes`
          : 'outer header';
    add('outer', label, old, now);
  }
  if (hop.tuple !== null && known.tuple !== null) {
    add('source', 'source rewritten', source(known.tuple), source(hop.tuple));
    add('destination', 'destination rewritten', destination(known.tuple), destination(hop.tuple));
  }
  if (hop.ttl !== null && known.ttl !== null) {
    add('ttl', 'TTL', String(known.ttl), String(hop.ttl));
  }
  if (known.mark !== null) add('mark', 'mark', known.mark, hop.mark);
  if (hop.mac !== null && known.mac !== null) {
    add('mac', 'source MAC', known.mac.src, hop.mac.src);
    add('mac', 'destination MAC', known.mac.dst, hop.mac.dst);
  }
  if (isDevice(hop) && hop.len !== null && known.length !== null) {
    const unframed = known.framed && hop.mac === null ? ' (no Ethernet header)' : '';
    add('length', `length${unframed}`, String(known.length), String(hop.len));
  }
  if (hop.ct !== null) add('conntrack', 'conntrack', known.conntrack, hop.ct.state);
  return changes;
}

export function isDevice(hop: HopRecord): boolean {
  return hop.stage === 'egress' || hop.stage === 'ingress';
}

/** For each hop, what changed there. The first has none: nothing is known before it. */
export function changesOf(hops: readonly HopRecord[]): Change[][] {
  let known: Known | null = null;
  return hops.map((hop, index) => {
    const before = hops[index - 1];
    const changes = known === null || before === undefined ? [] : compare(known, before, hop);
    known = {
      tuple: hop.tuple ?? known?.tuple ?? null,
      mac: hop.mac ?? known?.mac ?? null,
      ttl: hop.ttl ?? known?.ttl ?? null,
      mark: hop.mark,
      // A socket and a drop may not show headers: they take none off.
      outer: hop.tuple === null ? (known?.outer ?? null) : hop.outer,
      length: isDevice(hop) ? hop.len : (known?.length ?? null),
      framed: isDevice(hop) ? hop.mac !== null : (known?.framed ?? false),
      conntrack: hop.ct?.state ?? known?.conntrack ?? null,
    };
    return changes;
  });
}
