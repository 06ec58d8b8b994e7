import type {
  CostAlternativeRecord,
  CostRecord,
  Direction,
  FlowRecord,
  MtuWayRecord,
} from 'hopscope-protocol';

/** Node pairs, and flows that took the most, in what is reported. */
export const PAIRS_LIMIT = 256;
export const FLOWS_LIMIT = 20;

const ETHERNET = 14;
const JUMBO = 9_000;
const IP_HEADER = { 4: 20, 6: 40 } as const;
const TRANSPORT_HEADER: Readonly<Record<string, number>> = { tcp: 20, udp: 8, icmp: 8, icmpv6: 8 };
/** Bytes around an inner packet, by the IP version of the nodes: RFC 2003, RFC 7348, WireGuard's paper. */
const ADDED = {
  4: { none: 0, ipip: 20, vxlan: 50, wireguard: 60 },
  6: { none: 0, ipip: 40, vxlan: 70, wireguard: 80 },
} as const;
const OTHERS = ['none', 'ipip', 'vxlan', 'wireguard'] as const;
/** Of the way's MTU: a flow with packets so large has more to send than fits one. */
const FULL = 0.9;

interface Sums {
  flows: number;
  packets: number;
  payload: number;
  wire: number;
  overhead: number;
  readonly others: Record<CostAlternativeRecord['what'], number>;
}

interface Group extends Pick<CostRecord, 'by' | 'encapsulation' | 'nodes' | 'flow'> {
  readonly sums: Sums;
}

/**
 * What encapsulation costs on the wire between nodes, by what is put around, by pairs of nodes, and
 * by flow. Flows that do not leave their node put nothing on a wire and are left out.
 */
export class EncapsulationCost {
  /** Pairs past the limit. */
  leftOut = 0;
  readonly #groups = new Map<string, Group>();
  readonly #pairs = new Map<string, Group>();
  #flows: Group[] = [];

  /** A flow as it was last seen; each flow once. */
  add(flow: FlowRecord): void {
    const nodes = nodesOf(flow);
    const encapsulation = nameOf(flow);
    if (encapsulation === 'none' && nodes === null) return;
    const sums = sumsOf(flow);
    if (sums.packets === 0) return;
    into(
      this.#groups,
      encapsulation,
      { by: 'encapsulation', encapsulation, nodes: null, flow: null },
      sums,
    );
    if (nodes !== null) {
      const key = JSON.stringify([encapsulation, nodes]);
      if (!this.#pairs.has(key) && this.#pairs.size >= PAIRS_LIMIT) this.leftOut += 1;
      else into(this.#pairs, key, { by: 'nodes', encapsulation, nodes, flow: null }, sums);
    }
    this.#flows.push({ by: 'flow', encapsulation, nodes, flow: flow.id, sums });
    if (this.#flows.length >= 4 * FLOWS_LIMIT) this.#flows = largest(this.#flows);
  }

  records(): CostRecord[] {
    const all = [...this.#groups.values(), ...this.#pairs.values()];
    return [...all.sort((a, b) => b.sums.wire - a.sums.wire), ...largest(this.#flows)].map(
      recordOf,
    );
  }
}

function largest(flows: Group[]): Group[] {
  return flows.sort((a, b) => b.sums.wire - a.sums.wire).slice(0, FLOWS_LIMIT);
}

function into(
  groups: Map<string, Group>,
  key: string,
  what: Omit<Group, 'sums'>,
  sums: Sums,
): void {
  const known = groups.get(key);
  if (known === undefined) {
    groups.set(key, { ...what, sums: { ...sums, others: { ...sums.others } } });
    return;
  }
  const total = known.sums;
  for (const each of ['flows', 'packets', 'payload', 'wire', 'overhead'] as const) {
    total[each] += sums[each];
  }
  for (const each of [...OTHERS, 'jumbo'] as const) total.others[each] += sums.others[each];
}

/** The first and the last node of its legs; null where it was not seen on two. */
function nodesOf({ legs, src, dst }: FlowRecord): [string, string] | null {
  const nodes = legs.filter(({ direction }) => direction === 'original').map(({ node }) => node);
  const from = src.node ?? nodes[0] ?? null;
  const to = dst.node ?? nodes.at(-1) ?? null;
  return from === null || to === null || from === to ? null : [from, to];
}

function nameOf({ encapsulation }: FlowRecord): string {
  const names = new Set(encapsulation.map(({ type, overhead }) => `${type}+${overhead}`));
  return names.size === 0 ? 'none' : [...names].sort().join(' ');
}

function sumsOf(flow: FlowRecord): Sums {
  const { encapsulation, original, mtuEvidence } = flow;
  const family = original.src.includes(':') ? 6 : 4;
  const outer = encapsulation[0]?.src.includes(':') ? 6 : 4;
  const header = IP_HEADER[family] + (TRANSPORT_HEADER[original.proto] ?? 0);
  // Where tunnels are in each other, the outermost one has them all.
  const overhead = Math.max(0, ...encapsulation.map((each) => each.overhead));
  const sums: Sums = {
    ...{ flows: 1, packets: 0, payload: 0, wire: 0, overhead: 0 },
    others: { none: 0, ipip: 0, vxlan: 0, wireguard: 0, jumbo: 0 },
  };
  for (const direction of ['original', 'reply'] as const) {
    const way = mtuEvidence?.ways[direction] ?? null;
    const sent = sentIn(flow, direction, way, header);
    sums.packets += sent.packets;
    sums.payload += sent.payload;
    sums.overhead += sent.packets * overhead;
    const bytesWith = (packets: number, added: number): number =>
      sent.payload + packets * (header + added + ETHERNET);
    sums.wire += bytesWith(sent.packets, overhead);
    for (const each of OTHERS) sums.others[each] += bytesWith(sent.packets, ADDED[outer][each]);
    const fewer = sent.isFull
      ? Math.min(sent.packets, Math.ceil(sent.payload / (JUMBO - overhead - header)))
      : sent.packets;
    sums.others.jumbo += bytesWith(fewer, overhead);
  }
  return sums;
}

function sentIn(
  { packets, bytes }: FlowRecord,
  direction: Direction,
  way: MtuWayRecord | null,
  header: number,
) {
  const counted = Number(packets[direction]);
  const payload = Math.max(0, Number(bytes[direction]) - counted * header);
  const room = (way?.largest ?? 0) - header;
  // The kernel counts a GSO packet once; on the wire its segments are packets.
  const segments = room > 0 ? Math.ceil(payload / room) : 0;
  const isFull = way !== null && way.path !== null && way.largest >= way.path * FULL;
  return { packets: Math.max(counted, segments), payload, isFull };
}

function recordOf({ sums, ...what }: Group): CostRecord {
  const { flows, packets, payload, wire, overhead, others } = sums;
  const current = what.encapsulation;
  const alternatives = [...OTHERS, 'jumbo' as const]
    .filter((each) => each !== current && !current.startsWith(`${each}+`))
    .map((each) => alternative(each, wire, others[each]));
  return {
    type: 'cost',
    ...what,
    flows,
    ...{ packets: String(packets), payload: String(payload), wire: String(wire) },
    ratio: payload === 0 ? null : Math.round((wire / payload) * 10_000) / 10_000,
    overhead: String(overhead),
    alternatives,
  };
}

function alternative(
  what: CostAlternativeRecord['what'],
  now: number,
  then: number,
): CostAlternativeRecord {
  const percent = now === 0 ? 0 : Math.round(((now - then) / now) * 10_000) / 100;
  return { what, wire: String(then), saved: String(now - then), percent };
}
