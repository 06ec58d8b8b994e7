/** What a path shows of each look-up of a route, as questions to the routes of its namespace. */
import type { Hop } from '../join/hop.js';
import type { Path } from '../join/path.js';
import { HOOK_NAMES } from '../name/netfilter-table.js';
import type { RouteKey } from '../network/route-table.js';
import { familyOf } from '../rules/address.js';
import type { RouteSeen } from '../rules/explain-route.js';
import type { Endpoints } from '../rules/packet.js';
import * as layout from '../wire/layout.gen.js';
import { endsOf } from './hop-questions.js';

export interface RouteQuestion {
  /** Index of the hop that the answer belongs to. */
  readonly hop: number;
  /** Whether the look-up comes before the rules of that hop, or after them. */
  readonly isBefore: boolean;
  readonly netns: number;
  /** ns since the source's epoch. */
  readonly time: number;
  readonly key: RouteKey;
  readonly seen: RouteSeen;
  /** Whether a process of the namespace sends it. */
  readonly isSent: boolean;
}

/** What the kernel puts in the place of a way that a route refuses (net/ipv4/route.c, net/ipv6/route.c, net/core/dst.c). */
const REFUSED = /^(?:ip_error|dst_discard(?:_out)?|ip6_pkt_(?:discard|prohibit|drop)(?:_out)?)$/u;

/** @param location function in which the packet was dropped; null for none, or one that is not known */
export function routeQuestionsOf(path: Path, location: string | null): RouteQuestion[] {
  const hops = path.hops;
  return hops.flatMap((_, index) => {
    const question = isHook(hops[index], 'prerouting')
      ? cameIn(hops, index, location)
      : isHook(hops[index], 'output')
        ? sent(hops, index)
        : null;
    return question === null ? [] : [question];
  });
}

function isHook(hop: Hop | undefined, hook: string): boolean {
  return hop?.stage === layout.STAGE_NETFILTER && HOOK_NAMES[hop.hook] === hook;
}

/** After the last place of prerouting. */
function cameIn(
  hops: readonly Hop[],
  index: number,
  location: string | null,
): RouteQuestion | null {
  const hop = hops[index] as Hop;
  const next = hops[index + 1];
  const { netns } = hop.device;
  if (next === undefined || next.device.netns !== netns || isHook(next, 'prerouting')) return null;
  const isDrop = next.stage === layout.STAGE_DROP;
  const seen: RouteSeen | null = isDrop
    ? REFUSED.test(location ?? '')
      ? { kind: 'refused' }
      : null
    : isHook(next, 'input') || next.stage === layout.STAGE_DELIVER
      ? { kind: 'local' }
      : leavesBy(hops, index + 1, netns);
  const incoming = hops
    .slice(0, index)
    .findLast(({ stage, device }) => stage === layout.STAGE_INGRESS && device.netns === netns);
  const ends = endsOf(hop)?.ends;
  const after = isDrop || (next.outer === null) !== (hop.outer === null) ? null : endsOf(next);
  if (seen === null || incoming === undefined || ends === undefined) return null;
  // nat changes the destination before the look-up, and the source after it.
  const key = keyOf({ ...ends, dst: after?.ends.dst ?? ends.dst }, isDrop ? hop.mark : next.mark);
  return {
    ...{ hop: index, isBefore: false, netns, time: hop.time, seen, isSent: false },
    key: { ...key, incoming: incoming.device.name },
  };
}

/** Before the first place of output, or after the last one where rules changed what routing looks at. */
function sent(hops: readonly Hop[], index: number): RouteQuestion | null {
  const hop = hops[index] as Hop;
  const { netns } = hop.device;
  const isOurs = (other: Hop | undefined): boolean =>
    isHook(other, 'output') && other?.device.netns === netns;
  if (isOurs(hops[index - 1])) return null;
  let last = index;
  while (isOurs(hops[last + 1])) last += 1;
  const next = hops[last + 1];
  const seen = leavesBy(hops, last + 1, netns);
  const [before, after] = [endsOf(hop)?.ends, next === undefined ? undefined : endsOf(next)?.ends];
  if (seen === null || next === undefined || before === undefined || after === undefined)
    return null;
  if ((next.outer === null) !== (hop.outer === null)) return null;
  const isSame = before.dst === after.dst && hop.mark === next.mark;
  return {
    ...{ hop: isSame ? index : last, isBefore: isSame, netns, time: hop.time, seen },
    ...{ isSent: true, key: keyOf({ ...before, dst: after.dst }, next.mark) },
  };
}

function leavesBy(hops: readonly Hop[], from: number, netns: number): RouteSeen | null {
  for (let i = from; i < hops.length; i++) {
    const { device, stage } = hops[i] as Hop;
    if (device.netns !== netns || stage === layout.STAGE_INGRESS) return null;
    if (stage === layout.STAGE_DROP || stage === layout.STAGE_DELIVER) return null;
    if (stage === layout.STAGE_EGRESS) return { kind: 'device', device: device.name };
  }
  return null;
}

function keyOf({ src, dst }: Endpoints, mark: number): RouteKey {
  const address = (value: Endpoints['src']): RouteKey['dst'] => ({
    family: familyOf(value),
    value: BigInt(value),
  });
  return { dst: address(dst), src: address(src), mark, incoming: 'lo', outgoing: null };
}
