import { mtuVerdict } from '../check/mtu-verdict.js';
import { type Flow, type FlowDirection, type Leg, ORIGINAL, REPLY } from '../flow/flow.js';
import type { Histogram } from '../flow/histogram.js';
import type { Direction, FlowRecord, LatencyRecord, LegRecord } from '../model/records.js';
import type { Names } from '../name/names.js';
import { HOOK_NAMES } from '../name/netfilter-table.js';
import type { Epoch } from '../wire/clock.js';
import * as layout from '../wire/layout.gen.js';
import { encapsulationName, stageName } from './path-record.js';

/** A flow as the contract has it. `state` overrides the flow's own, for one that ended by age. */
export function flowRecord(flow: Flow, names: Names, epoch: Epoch, state?: string): FlowRecord {
  const [forward, backward] = flow.directions;
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
  const icmp = original.isIcmp
    ? { type: flow.icmpType, code: flow.icmpCode, seq: -1, mtu: -1 }
    : null;
  const answer = icmp === null ? null : { ...icmp, type: echoReplyType(icmp.type) };
  const wall = (time: number): string =>
    String(names.wallClock(epoch.monotonicNs + BigInt(Math.round(time))));
  return {
    type: 'flow',
    id: flow.id,
    state: state ?? flow.state,
    start: wall(flow.start),
    last: wall(flow.last),
    original: original.toRecord(icmp),
    reply: reply?.toRecord(answer) ?? null,
    nat: { dnat, snat },
    src: names.endpoint(original.src, forward.first?.netns ?? null),
    dst: names.endpoint(dnat?.dst ?? original.dst, forward.last?.netns ?? null),
    service: names.service(original, dnat !== null),
    packets: { original: String(forward.packets), reply: String(backward.packets) },
    bytes: { original: String(forward.bytes), reply: String(backward.bytes) },
    legs: [
      ...forward.legs.map((leg) => legRecord(leg, 'original', names)),
      ...backward.legs.map((leg) => legRecord(leg, 'reply', names)),
    ],
    encapsulation: flow.encapsulations.map((e) => ({
      type: encapsulationName(e.type),
      src: e.src,
      dst: e.dst,
      vni: e.vni >= 0 ? e.vni : null,
      overhead: e.overhead,
    })),
    mtu: {
      path: flow.pathMtu > 0 ? flow.pathMtu : null,
      largest: flow.largest,
      verdict: mtuVerdict({
        pathMtu: flow.pathMtu,
        largest: flow.largest,
        fragmentsSeen: flow.fragmentsSeen,
        icmpSeen: flow.icmpTooBigSeen,
        tooBigDropped: flow.tooBigDropped,
      }),
    },
    drops: {
      original: String(flow.directions[ORIGINAL].drops),
      reply: String(flow.directions[REPLY].drops),
      reasons: Object.fromEntries(
        [...flow.reasons].map(([reason, count]) => [names.reason(reason), String(count)]),
      ),
    },
    sampled: {
      paths: String(flow.paths),
      of: String(forward.packets + backward.packets),
    },
    lost: String(flow.lost),
    proxied: { from: flow.proxiedFrom, to: [...flow.proxiedTo] },
    verdict: flow.lastVerdict,
    latencyNs: { original: pathLatency(forward), reply: pathLatency(backward) },
  };
}

function legRecord(leg: Leg, direction: Direction, names: Names): LegRecord {
  const known = leg.device.ifindex !== 0;
  return {
    direction,
    node: names.node(leg.device.netns),
    netns: names.netns(leg.device.netns),
    dev: known ? leg.device.name : null,
    kind: known && leg.device.kind !== '' ? leg.device.kind : null,
    stage: stageName(leg.stage),
    hook: leg.stage === layout.STAGE_NETFILTER ? (HOOK_NAMES[leg.hook] ?? null) : null,
    packets: String(leg.packets),
    bytes: String(leg.bytes),
    latencyNs: leg.latency === null ? null : latencyRecord(leg.latency),
  };
}

function pathLatency(direction: FlowDirection): LatencyRecord | null {
  return direction.latency.count === 0 ? null : latencyRecord(direction.latency);
}

function latencyRecord(histogram: Histogram): LatencyRecord {
  return {
    count: String(histogram.count),
    p50: histogram.quantile(0.5),
    p90: histogram.quantile(0.9),
    p99: histogram.quantile(0.99),
    max: histogram.max,
  };
}

/** Echo request to echo reply (RFC 792, RFC 4443); other types have no answer of their own. */
function echoReplyType(type: number): number {
  return type === 8 ? 0 : type === 128 ? 129 : type;
}
