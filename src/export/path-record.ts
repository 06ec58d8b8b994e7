import type {
  ConntrackRecord,
  DropRecord,
  HopRecord,
  OuterRecord,
  PathRecord,
  Stage,
  TcpRecord,
} from 'hopscope-protocol';
import { ORIGINAL } from '../flow/direction-index.js';
import type { FinishedPath } from '../flow/finished-path.js';
import { IdentifierHash } from '../flow/identifier.js';
import { type Conntrack, CT_IS_REPLY, CT_STATES } from '../join/conntrack.js';
import type { Hop } from '../join/hop.js';
import type { Outer } from '../join/outer.js';
import { ORIGIN_CLONE, ORIGIN_FRAGMENT, ORIGIN_SEGMENT, type Path } from '../join/path.js';
import { isComplete } from '../join/verdict.js';
import type { Names } from '../name/names.js';
import { HOOK_NAMES, tablesAfter } from '../name/netfilter-table.js';
import { macText } from '../packet/address-text.js';
import { encapsulationName } from '../packet/encapsulation.js';
import { tcpFlagsText } from '../packet/tcp.js';
import type { Epoch } from '../wire/clock.js';
import * as layout from '../wire/layout.gen.js';

const STAGES = new Map<number, Stage>([
  [layout.STAGE_EGRESS, 'egress'],
  [layout.STAGE_INGRESS, 'ingress'],
  [layout.STAGE_NETFILTER, 'netfilter'],
  [layout.STAGE_DELIVER, 'deliver'],
  [layout.STAGE_DROP, 'drop'],
]);

export function stageName(stage: number): Stage {
  return STAGES.get(stage) ?? 'drop';
}

export function pathId(path: Path): string {
  return new IdentifierHash()
    .number(path.skb)
    .number(path.columns.time[0] ?? 0)
    .number(path.inherited)
    .hex();
}

/** A finished path as the contract has it. */
export function pathRecord(finished: FinishedPath, names: Names, epoch: Epoch): PathRecord {
  const { path, flow, verdict } = finished;
  const start = epoch.monotonicNs + BigInt(path.length === 0 ? 0 : (path.columns.time[0] ?? 0));
  const hops: HopRecord[] = [];
  let previous: Hop | null = null;
  for (const [index, hop] of path.hops.entries()) {
    // What a fragment shares with the packet it was cut from happened to that packet.
    const packet = index < path.inherited ? (path.parent ?? path) : path;
    hops.push(hopRecord(hop, previous, packet, names));
    previous = hop;
  }
  return {
    type: 'path',
    id: pathId(path),
    flow: flow?.id ?? null,
    ...(flow === null ? {} : { direction: finished.direction === ORIGINAL ? 'original' : 'reply' }),
    start: String(names.wallClock(start)),
    complete: isComplete(path),
    verdict,
    drop: path.dropped ? dropRecord(path, names) : null,
    hops,
    ...branchOf(path),
  };
}

/** How a path began that is a fragment or a copy of another packet. */
function branchOf(path: Path): { branch?: 'clone' | 'segment' | 'fragment' } {
  switch (path.origin) {
    case ORIGIN_CLONE:
      return { branch: 'clone' };
    case ORIGIN_SEGMENT:
      return { branch: 'segment' };
    case ORIGIN_FRAGMENT:
      return { branch: 'fragment' };
    default:
      return {};
  }
}

/** Whether the last hop is a drop that rules may have caused. */
export function isRuleDrop(path: Path, names: Names): boolean {
  return path.dropped && names.reason((path.last as Hop).reason) === 'NETFILTER_DROP';
}

/** Null for more than a number is exact for, 104 days: the time of a damaged record. */
function exact(ns: number): number | null {
  return Number.isSafeInteger(ns) ? ns : null;
}

function hopRecord(hop: Hop, previous: Hop | null, path: Path, names: Names): HopRecord {
  const netfilter = hop.stage === layout.STAGE_NETFILTER;
  const known = hop.device.ifindex !== 0;
  return {
    node: names.node(hop.device.netns),
    netns: names.netns(hop.device.netns, hop.device.inode),
    dev: known ? hop.device.name : null,
    ifindex: known ? hop.device.ifindex : null,
    kind: known && hop.device.kind !== '' ? hop.device.kind : null,
    stage: stageName(hop.stage),
    hook: netfilter ? (HOOK_NAMES[hop.hook] ?? null) : null,
    priority: netfilter ? hop.priority : null,
    len: hop.len,
    mtu: known ? hop.mtu : null,
    gso: hop.gsoSize > 0 ? { size: hop.gsoSize, segs: hop.gsoSegs } : null,
    mac:
      hop.mac === null
        ? null
        : {
            src: macText(hop.mac.srcHi, hop.mac.srcLo),
            dst: macText(hop.mac.dstHi, hop.mac.dstLo),
          },
    vlan: hop.vlanId >= 0 ? { id: hop.vlanId, proto: hop.vlanProto } : null,
    outer: outerRecord(hop.outer),
    tuple:
      hop.tuple?.toRecord(
        path.icmpType >= 0
          ? { type: path.icmpType, code: path.icmpCode, seq: path.icmpSeq, mtu: path.icmpMtu }
          : null,
      ) ?? null,
    ttl: hop.ttl >= 0 ? hop.ttl : null,
    ipId: hop.ipId >= 0 ? hop.ipId : null,
    fragment:
      hop.fragmentOffset >= 0 ? { offset: hop.fragmentOffset, more: hop.moreFragments } : null,
    tcp: tcpRecord(path, hop),
    mark: `0x${hop.mark.toString(16)}`,
    ct: conntrackRecord(hop.ct),
    sincePrevNs: previous === null ? null : exact(hop.time - previous.time),
  };
}

function outerRecord(outer: Outer | null): OuterRecord | null {
  if (outer === null) {
    return null;
  }
  return {
    type: encapsulationName(outer.type),
    src: outer.src,
    dst: outer.dst,
    sport: outer.sport >= 0 ? outer.sport : null,
    dport: outer.dport >= 0 ? outer.dport : null,
    vni: outer.vni >= 0 ? outer.vni : null,
    ...(outer.greKey >= 0 ? { key: outer.greKey } : {}),
    overhead: outer.overhead,
  };
}

function conntrackRecord(ct: Conntrack | null): ConntrackRecord | null {
  if (ct === null) {
    return null;
  }
  return {
    state: CT_STATES[ct.info] ?? 'invalid',
    zone: ct.zone,
    reply: ct.info >= CT_IS_REPLY && ct.info < 6,
  };
}

function tcpRecord(path: Path, hop: Hop): TcpRecord | null {
  if (hop.tcpFlags < 0) {
    return null;
  }
  return {
    flags: tcpFlagsText(hop.tcpFlags),
    seq: path.tcpSeq,
    ack: path.tcpAck,
    payload: payloadAt(path, hop),
    mss: path.tcpMss >= 0 ? path.tcpMss : null,
    windowScale: path.tcpWindowScale >= 0 ? path.tcpWindowScale : null,
  };
}

/** Where others are merged into a packet, it holds more than it did. */
function payloadAt(path: Path, hop: Hop): number {
  const payload = hop.ipLength - path.headerLength;
  return hop.stage === layout.STAGE_DROP || payload < 0 ? path.payloadLength : payload;
}

/** Chain and rule stay null: the hops show where, not which rule. */
function dropRecord(path: Path, names: Names): DropRecord {
  const drop = path.last as Hop;
  const reason = names.reason(drop.reason);
  const before = path.length < 2 ? undefined : path.columns.at(path.length - 2);
  const inNetfilter =
    before !== undefined && before.stage === layout.STAGE_NETFILTER && reason === 'NETFILTER_DROP';
  const hook = inNetfilter ? (HOOK_NAMES[before.hook] ?? null) : null;
  const tables =
    hook === null || before === undefined
      ? []
      : tablesAfter(
          hook,
          before.priority,
          names.registered(before.device.netns, familyOf(before)),
          path.atEdges,
        );
  return {
    reason,
    location: drop.location === 0n ? null : names.symbol(drop.location),
    hook,
    table: tables.length === 1 ? (tables[0] ?? null) : null,
    tables,
    chain: null,
    rule: null,
  };
}

/** Of the header that the hook was passed for: in a tunnel the outer one. */
function familyOf(hop: Hop): 'ipv4' | 'ipv6' {
  const source = hop.outer?.src ?? hop.tuple?.src ?? '';
  return source.includes(':') ? 'ipv6' : 'ipv4';
}
