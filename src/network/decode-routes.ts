/** RTM_NEWROUTE: routes, and what was learned of single destinations. */
import type { CachedRoute, NextHop, Route, RouteType } from './description.js';
import {
  ADDRESS_BITS,
  addressFromBytes,
  everything,
  type Family,
  type IpAddress,
  isHost,
  type Prefix,
} from './ip-address.js';
import { addressAt, FAMILY_OF } from './netlink-address.js';
import {
  type Attributes,
  attributesOf,
  bytesOf,
  messagesOf,
  nested,
  requireBytes,
  u32,
} from './netlink-message.js';

const RTM_NEWROUTE = 24;
/** struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags. */
const RTMSG = 12;
const RTA = {
  ...{ dst: 1, oif: 4, gateway: 5, priority: 6, metrics: 8, multipath: 9, cacheinfo: 12 },
  ...{ table: 15, via: 18 },
} as const;
const RTAX = { lock: 1, mtu: 2, advmss: 8 } as const;
export const RTM_F_CLONED = 0x200;
/** Of rta_expires in struct rta_cacheinfo; the kernel counts USER_HZ there. */
const EXPIRES_AT = 8;
const USER_HZ = 100;
/** struct rtnexthop: length, flags, hops, index. */
const RTNEXTHOP = 8;
/** RTN_UNICAST and what follows it. */
const TYPES: readonly RouteType[] = [
  ...(['other', 'unicast', 'local', 'broadcast', 'other', 'multicast', 'blackhole'] as const),
  ...(['unreachable', 'prohibit', 'throw'] as const),
];

export interface DecodedRoutes {
  readonly routes: readonly Route[];
  readonly cached: readonly CachedRoute[];
}

/**
 * Those of one family: a kernel without IPv6 answers with the routes of all others.
 *
 * @throws NetlinkError `NETLINK_MALFORMED`
 */
export function decodeRoutes(data: Uint8Array, wanted: Family): DecodedRoutes {
  const routes: Route[] = [];
  const cached: CachedRoute[] = [];
  for (const { type, body } of messagesOf(data)) {
    if (type !== RTM_NEWROUTE) continue;
    requireBytes(body, RTMSG);
    const family = FAMILY_OF[body.getUint8(0)];
    if (family !== wanted) continue;
    const attributes = attributesOf(body, RTMSG);
    const dst = destination(attributes, family, body.getUint8(1));
    if (dst === null) continue;
    if ((body.getUint32(8, true) & RTM_F_CLONED) !== 0) {
      if (isHost(dst)) cached.push(cachedRoute(attributes, dst));
    } else {
      routes.push(route(attributes, body, dst));
    }
  }
  return { routes, cached };
}

function route(attributes: Attributes, body: DataView, dst: Prefix): Route {
  const metrics = nested(attributes, RTA.metrics);
  return {
    table: u32(attributes, RTA.table) ?? body.getUint8(4),
    dst,
    type: TYPES[body.getUint8(7)] ?? 'other',
    priority: u32(attributes, RTA.priority) ?? 0,
    mtu: u32(metrics, RTAX.mtu),
    isMtuLocked: isMtuLocked(metrics),
    advmss: u32(metrics, RTAX.advmss),
    hops: nextHops(attributes),
  };
}

function cachedRoute(attributes: Attributes, dst: Prefix): CachedRoute {
  const metrics = nested(attributes, RTA.metrics);
  const info = attributes.get(RTA.cacheinfo);
  const expires =
    info === undefined || info.byteLength < EXPIRES_AT + 4 ? 0 : info.getInt32(EXPIRES_AT, true);
  return {
    dst: { family: dst.family, value: dst.value },
    ifindex: u32(attributes, RTA.oif),
    mtu: u32(metrics, RTAX.mtu),
    isMtuLocked: isMtuLocked(metrics),
    expiresIn: expires > 0 ? Math.round(expires / USER_HZ) : null,
  };
}

/** A metric is locked by the bit of its number. */
function isMtuLocked(metrics: Attributes): boolean {
  return ((u32(metrics, RTAX.lock) ?? 0) & (1 << RTAX.mtu)) !== 0;
}

function destination(attributes: Attributes, family: Family, length: number): Prefix | null {
  if (!attributes.has(RTA.dst)) return length === 0 ? everything(family) : null;
  const address = addressAt(attributes, RTA.dst);
  if (address === null || address.family !== family) return null;
  return length > ADDRESS_BITS[family] ? null : { ...address, length };
}

function nextHops(attributes: Attributes): NextHop[] {
  const paths = attributes.get(RTA.multipath);
  if (paths === undefined) {
    const ifindex = u32(attributes, RTA.oif);
    const via = gateway(attributes);
    return ifindex === null && via === null ? [] : [{ ifindex, via }];
  }
  const hops: NextHop[] = [];
  let at = 0;
  while (paths.byteLength - at >= RTNEXTHOP) {
    const length = paths.getUint16(at, true);
    if (length < RTNEXTHOP || length > paths.byteLength - at) break;
    const view = new DataView(paths.buffer, paths.byteOffset + at, length);
    hops.push({
      ifindex: view.getInt32(4, true),
      via: gateway(attributesOf(view, RTNEXTHOP)),
    });
    at += (length + 3) & ~3;
  }
  return hops;
}

/** RTA_VIA has a family before the address: an IPv4 route by an IPv6 router. */
function gateway(attributes: Attributes): IpAddress | null {
  if (attributes.has(RTA.gateway)) return addressAt(attributes, RTA.gateway);
  const via = attributes.get(RTA.via);
  return via === undefined ? null : addressFromBytes(bytesOf(via).subarray(2));
}
