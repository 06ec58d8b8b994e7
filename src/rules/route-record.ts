import type { RuleRecord } from 'hopscope-protocol';
import type { NextHop, Route } from '../network/description.js';
import { addressText, prefixText } from '../network/ip-address.js';
import type { FoundRoute } from '../network/route-table.js';

/** rt_class_t of include/uapi/linux/rtnetlink.h. */
const TABLES: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' };

/**
 * The route that takes a packet, in the form of a rule.
 *
 * @param nameOf of a device
 * @param isSeen whether the packet was seen to leave by its device
 */
export function routeRecord(
  { route, hop, isCertain }: FoundRoute,
  nameOf: (ifindex: number | null) => string | null,
  isSeen: boolean,
): RuleRecord {
  const deviceOf = (to: NextHop): string | null => nameOf(to.ifindex);
  return {
    backend: 'route',
    family: route.dst.family === 4 ? 'ipv4' : 'ipv6',
    table: tableName(route.table),
    chain: 'route',
    rule: routeText(route, deviceOf),
    position: null,
    handle: null,
    verdict: route.type === 'unicast' ? nextHopText(hop, deviceOf) : route.type,
    certainty: isCertain ? (isSeen ? 'seen' : 'follows') : 'unknown',
    of: null,
    source: null,
  };
}

export function tableName(table: number): string {
  return TABLES[table] ?? String(table);
}

/** As iproute2 writes it, without what decides nothing here. */
function routeText(route: Route, deviceOf: (hop: NextHop) => string | null): string {
  const type = route.type === 'unicast' ? '' : `${route.type} `;
  const hops = route.hops.map((hop) => nextHopText(hop, deviceOf)).filter((text) => text !== '');
  const metric = route.priority === 0 ? '' : ` metric ${route.priority}`;
  return `${[`${type}${prefixText(route.dst)}`, ...hops].join(' ')}${metric}`;
}

function nextHopText(hop: NextHop | null, deviceOf: (hop: NextHop) => string | null): string {
  if (hop === null) return '';
  const device = deviceOf(hop);
  return [
    ...(hop.via === null ? [] : [`via ${addressText(hop.via)}`]),
    ...(device === null ? [] : [`dev ${device}`]),
  ].join(' ');
}
