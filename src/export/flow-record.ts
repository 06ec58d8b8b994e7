import type { CountedRecord, Direction, FlowRecord, LegRecord } from 'hopscope-protocol';
import { type DirectionIndex, ORIGINAL, REPLY } from '../flow/direction-index.js';
import type { Flow } from '../flow/flow.js';
import type { Leg } from '../flow/leg.js';
import type { Names } from '../name/names.js';
import { HOOK_NAMES } from '../name/netfilter-table.js';
import { encapsulationName } from '../packet/encapsulation.js';
import type { Epoch } from '../wire/clock.js';
import * as layout from '../wire/layout.gen.js';
import { flowMtuRecord, mtuEvidenceRecord } from './flow-mtu-record.js';
import { latencyRecord } from './latency-record.js';
import { stageName } from './path-record.js';
import { tcpHealthRecord } from './tcp-health-record.js';

export interface FlowRecordOptions {
  /** Overrides the flow's own, for one that ended by age. */
  readonly state?: string | undefined;
  /** Whether to say how the latencies of its legs are spread. */
  readonly withOctaves?: boolean;
}

/** A flow as the contract has it. */
export function flowRecord(
  flow: Flow,
  names: Names,
  epoch: Epoch,
  { state, withOctaves = false }: FlowRecordOptions = {},
): FlowRecord {
  const { original, reply } = flow;
  // Without an answer, or a packet seen to its end, nothing says what was translated.
  const dnat =
    reply !== null && (reply.src !== original.dst || reply.sport !== original.dport)
      ? { dst: reply.src, dport: reply.sport >= 0 && !reply.isIcmp ? reply.sport : null }
      : null;
  const snat =
    reply !== null && (reply.dst !== original.src || reply.dport !== original.sport)
      ? { src: reply.dst, sport: reply.dport >= 0 && !reply.isIcmp ? reply.dport : null }
      : null;
  // Of a flow that was only counted nothing says which messages they were.
  const icmp =
    original.isIcmp && flow.icmpType >= 0
      ? { type: flow.icmpType, code: flow.icmpCode, seq: -1, mtu: -1 }
      : null;
  const answer = icmp === null ? null : { ...icmp, type: echoReplyType(icmp.type) };
  const wall = (time: number): string =>
    String(names.wallClock(epoch.monotonicNs + BigInt(Math.round(time))));
  const began = epoch.milliseconds(flow.start);
  return {
    type: 'flow',
    id: flow.id,
    state: state ?? flow.state,
    ...(flow.hasEnded ? { ended: true as const } : {}),
    start: wall(flow.start),
    last: wall(flow.last),
    original: original.toRecord(icmp),
    reply: reply?.toRecord(answer) ?? null,
    nat: { dnat, snat },
    src: names.endpoint(original.src, flow.firstDevice(ORIGINAL)?.netns ?? null, began),
    dst: names.endpoint(dnat?.dst ?? original.dst, flow.lastDevice(ORIGINAL)?.netns ?? null, began),
    service: names.service(original, dnat !== null, began),
    packets: bothWays((direction) => String(flow.packets(direction))),
    bytes: bothWays((direction) => String(flow.bytes(direction))),
    counted: countedRecord(flow),
    legs: [
      ...flow.legs(ORIGINAL).map((leg) => legRecord(leg, 'original', names, withOctaves)),
      ...flow.legs(REPLY).map((leg) => legRecord(leg, 'reply', names, withOctaves)),
    ],
    encapsulation: flow.encapsulations.map((e) => ({
      type: encapsulationName(e.type),
      src: e.src,
      dst: e.dst,
      vni: e.vni >= 0 ? e.vni : null,
      ...(e.greKey >= 0 ? { key: e.greKey } : {}),
      overhead: e.overhead,
    })),
    mtu: flowMtuRecord(flow),
    mtuEvidence: mtuEvidenceRecord(flow, names),
    drops: {
      original: String(flow.drops(ORIGINAL)),
      reply: String(flow.drops(REPLY)),
      reasons: Object.fromEntries(
        [...flow.reasons].map(([reason, count]) => [names.reason(reason), String(count)]),
      ),
    },
    sampled: {
      paths: String(flow.paths),
      of: String(flow.packets(ORIGINAL) + flow.packets(REPLY)),
    },
    lost: String(flow.lost),
    tcp: tcpHealthRecord(flow, names),
    proxied: { from: flow.proxiedFrom, to: [...flow.proxiedTo] },
    verdict: flow.lastVerdict,
    latencyNs: bothWays((direction) => {
      const latency = flow.latency(direction);
      return latency === null ? null : latencyRecord(latency);
    }),
  };
}

/** Where a leg is. */
export function legPlace(
  leg: Leg,
  names: Names,
): Pick<LegRecord, 'node' | 'netns' | 'dev' | 'kind' | 'stage' | 'hook'> {
  const known = leg.device.ifindex !== 0;
  return {
    node: names.node(leg.device.netns),
    netns: names.netns(leg.device.netns, leg.device.inode),
    dev: known ? leg.device.name : null,
    kind: known && leg.device.kind !== '' ? leg.device.kind : null,
    stage: stageName(leg.stage),
    hook: leg.stage === layout.STAGE_NETFILTER ? (HOOK_NAMES[leg.hook] ?? null) : null,
  };
}

function legRecord(leg: Leg, direction: Direction, names: Names, withOctaves: boolean): LegRecord {
  return {
    direction,
    ...legPlace(leg, names),
    packets: String(leg.packets),
    bytes: String(leg.bytes),
    latencyNs: leg.latency === null ? null : latencyRecord(leg.latency, withOctaves),
  };
}

function bothWays<T>(of: (direction: DirectionIndex) => T): { original: T; reply: T } {
  return { original: of(ORIGINAL), reply: of(REPLY) };
}

function countedRecord(flow: Flow): NonNullable<FlowRecord['counted']> | null {
  const counted = bothWays((direction): CountedRecord | null => {
    const packets = flow.counted(direction);
    return packets === null
      ? null
      : {
          source: String(packets.atSource),
          destination: packets.atDestination === null ? null : String(packets.atDestination),
        };
  });
  return counted.original === null && counted.reply === null ? null : counted;
}

/** Echo request to echo reply (RFC 792, RFC 4443); other types have no answer of their own. */
function echoReplyType(type: number): number {
  return type === 8 ? 0 : type === 128 ? 129 : type;
}
