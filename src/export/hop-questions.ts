/** What a path shows of each netfilter hook, as questions to the rules of its namespace. */
import { type Conntrack, CT_IS_REPLY, CT_STATES } from '../join/conntrack.js';
import type { Hop } from '../join/hop.js';
import type { Outer } from '../join/outer.js';
import type { Path } from '../join/path.js';
import type { Tuple } from '../join/tuple.js';
import { HOOK_NAMES } from '../name/netfilter-table.js';
import { OUTER_GRE, OUTER_IP6TNL, OUTER_IPIP, OUTER_SIT } from '../packet/decoded-packet.js';
import { PROTO_GRE, PROTO_IPIP, PROTO_IPV6, PROTO_UDP } from '../packet/proto.js';
import { familyOf, parseAddress } from '../rules/address.js';
import type { HookQuestion } from '../rules/explain-hook.js';
import { CONNTRACK_PRIORITY, type Endpoints, type Packet, type Tracked } from '../rules/packet.js';
import * as layout from '../wire/layout.gen.js';

/** Of one hop: where, when, and what is asked. */
export interface HopQuestion {
  /** Index of the hop. */
  readonly hop: number;
  readonly netns: number;
  /** ns since the source's epoch. */
  readonly time: number;
  readonly question: HookQuestion;
}

/** include/uapi/linux/netfilter/nf_conntrack_common.h */
const IPS_CONFIRMED = 1 << 3;
const IPS_SRC_NAT = 1 << 4;
const IPS_DST_NAT = 1 << 5;
const IPS_SRC_NAT_DONE = 1 << 7;
const IPS_DST_NAT_DONE = 1 << 8;

/** @param isRuleDrop whether the drop at the end was one of rules */
export function questionsOf(path: Path, isRuleDrop: boolean): HopQuestion[] {
  const hops = path.hops;
  return hops.flatMap((hop, index) => {
    const question = questionOf(path, hops, index, isRuleDrop);
    return question === null
      ? []
      : [{ hop: index, netns: hop.device.netns, time: hop.time, question }];
  });
}

function questionOf(
  path: Path,
  hops: readonly Hop[],
  index: number,
  isRuleDrop: boolean,
): HookQuestion | null {
  const hop = hops[index] as Hop;
  if (hop.stage !== layout.STAGE_NETFILTER || hop.drop !== null) return null;
  const hook = HOOK_NAMES[hop.hook];
  const ends = endsOf(hop);
  if (hook === undefined || ends === null) return null;
  const next = hops[index + 1];
  const isHere = next !== undefined && next.device.netns === hop.device.netns;
  const isSameHook = isHere && isNetfilter(next) && next.hook === hop.hook;
  const isDrop = isHere && next.stage === layout.STAGE_DROP;
  const begins = hook === 'prerouting' || hook === 'output';
  const later = isSameHook ? next.ct : null;
  const isTrackedHere = begins && hop.ct === null && hop.priority < CONNTRACK_PRIORITY;
  const ct = isTrackedHere ? later : hop.ct;
  const isFirst = ct !== null && CT_STATES[ct.info] === 'new' && (ct.status & IPS_CONFIRMED) === 0;
  const after =
    isHere && !isDrop && (hop.outer === null) === (next.outer === null) ? endsOf(next) : null;
  return {
    hook,
    after: hop.priority,
    before: isSameHook ? next.priority : Number.MAX_SAFE_INTEGER,
    packet: {
      ...packetOf(path, hop, ends),
      ...devicesOf(hops, index, hook),
      // Rules of an earlier hook may have set it.
      connectionMark: isFirst && begins ? 0 : null,
      tracked: ct === null ? null : trackedOf(ct, isTrackedHere, hook),
      isTrackedHere,
    },
    isDropped: isDrop ? isRuleDrop : next === undefined ? null : false,
    next: after === null || next === undefined ? null : { ...after.ends, mark: next.mark },
  };
}

function isNetfilter({ stage }: Hop): boolean {
  return stage === layout.STAGE_NETFILTER;
}

interface Addressed {
  readonly protocol: number;
  readonly ends: Endpoints;
}

/** The addresses of the header that a hook sees: in a tunnel the outer one. */
export function endsOf({ outer, tuple }: Hop): Addressed | null {
  if (outer !== null) return outerEnds(outer);
  if (tuple === null) return null;
  const ends = tupleEnds(tuple);
  return ends === null ? null : { protocol: tuple.protocol, ends };
}

function tupleEnds({ src, dst, sport, dport, isIcmp }: Tuple): Endpoints | null {
  const from = parseAddress(src);
  const to = parseAddress(dst);
  if (from === null || to === null) return null;
  const port = (value: number): number | null => (isIcmp || value < 0 ? null : value);
  return { src: from, dst: to, sport: port(sport), dport: port(dport) };
}

function outerEnds({ type, src, dst, sport, dport }: Outer): Addressed | null {
  const from = parseAddress(src);
  const to = parseAddress(dst);
  if (from === null || to === null) return null;
  const port = (value: number): number | null => (value < 0 ? null : value);
  const protocol =
    type === OUTER_IPIP || type === OUTER_IP6TNL
      ? PROTO_IPIP
      : type === OUTER_SIT
        ? PROTO_IPV6
        : type === OUTER_GRE
          ? PROTO_GRE
          : PROTO_UDP;
  return { protocol, ends: { src: from, dst: to, sport: port(sport), dport: port(dport) } };
}

type OfPacket = Omit<
  Packet,
  'tracked' | 'isTrackedHere' | 'incoming' | 'outgoing' | 'connectionMark'
>;

function packetOf(path: Path, hop: Hop, { protocol, ends }: Addressed): OfPacket {
  const isInner = hop.outer === null;
  const hasIcmp = isInner && path.icmpType >= 0;
  return {
    ...ends,
    family: familyOf(ends.src),
    protocol,
    icmp: hasIcmp ? { type: path.icmpType, code: path.icmpCode } : null,
    tcpFlags: isInner && hop.tcpFlags >= 0 ? hop.tcpFlags : null,
    // A packet that others were merged into is as long as all of them.
    length: isInner && hop.gsoSize === 0 && hop.ipLength > 0 ? hop.ipLength : null,
    ttl: isInner && hop.ttl >= 0 ? hop.ttl : null,
    isLaterFragment: isInner && hop.fragmentOffset > 0,
    mark: hop.mark,
  };
}

/** The devices that a hook is passed for; a packet that is dropped in it does not say where it went. */
function devicesOf(
  hops: readonly Hop[],
  index: number,
  hook: HookQuestion['hook'],
): Pick<Packet, 'incoming' | 'outgoing'> {
  const { netns } = (hops[index] as Hop).device;
  const cameBy = (): string | null => {
    for (let i = index - 1; i >= 0; i--) {
      const hop = hops[i] as Hop;
      if (hop.device.netns !== netns) break;
      if (hop.stage === layout.STAGE_INGRESS) return hop.device.name;
      if (hop.stage === layout.STAGE_EGRESS) break;
    }
    return null;
  };
  const leavesBy = (): string | null => {
    for (let i = index + 1; i < hops.length; i++) {
      const hop = hops[i] as Hop;
      if (hop.device.netns !== netns || hop.stage === layout.STAGE_INGRESS) break;
      if (hop.stage === layout.STAGE_EGRESS) return hop.device.name;
    }
    return null;
  };
  const isSent = hops
    .slice(0, index)
    .every((hop) => hop.device.netns === netns && isNetfilter(hop));
  switch (hook) {
    case 'prerouting':
    case 'input':
      return { incoming: cameBy(), outgoing: '' };
    case 'forward':
      return { incoming: cameBy(), outgoing: leavesBy() };
    case 'output':
      return { incoming: '', outgoing: leavesBy() };
    case 'postrouting':
      return { incoming: isSent ? '' : cameBy(), outgoing: leavesBy() };
  }
}

function trackedOf(
  { info, status, original, reply }: Conntrack,
  isLater: boolean,
  hook: HookQuestion['hook'],
): Tracked {
  const state = CT_STATES[info] ?? null;
  const isNew = state === 'new';
  const isSource = hook === 'postrouting' || hook === 'input';
  const done = isSource ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
  return {
    state,
    isReply: info >= CT_IS_REPLY && info < 6,
    // What nat has decided by the place after it was not decided in the tables before it.
    isSnat: isLater && isNew ? false : (status & IPS_SRC_NAT) !== 0,
    isDnat: isLater && isNew ? false : (status & IPS_DST_NAT) !== 0,
    isNatSettled: isLater ? null : (status & done) !== 0,
    original: original === null ? null : tupleEnds(original),
    reply: reply === null ? null : tupleEnds(reply),
  };
}
