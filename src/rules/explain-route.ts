/** Which route, and which rule of routing, took a packet: looked up as the kernel does, and checked by what was seen. */
import type { RuleRecord } from 'hopscope-protocol';
import type { Rule } from '../network/description.js';
import { addressText, prefixText } from '../network/ip-address.js';
import type { Decision, FoundRoute, RouteKey } from '../network/route-table.js';
import type { ReadNetwork } from './network-text.js';
import { routeRecord, tableName } from './route-record.js';

/** Where the packet was seen after the look-up. */
export type RouteSeen =
  | { readonly kind: 'device'; readonly device: string }
  /** Taken by this namespace itself. */
  | { readonly kind: 'local' }
  /** Dropped by what routing puts in the place of a way. */
  | { readonly kind: 'refused' };

/** Priorities of the rules that every namespace begins with. */
const USUAL_RULES = new Set([0, 32_766, 32_767]);
const REFUSING: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit']);

/**
 * The rule of routing, where it is one that somebody made, and the route.
 *
 * @param isSent whether a process of the namespace sends it: then its source may be chosen by the route
 */
export function explainRoute(
  network: ReadNetwork,
  key: RouteKey,
  seen: RouteSeen,
  isSent: boolean,
): RuleRecord[] {
  const decision = network.table.decide(key);
  const other = isSent ? network.table.decide({ ...key, src: null }) : decision;
  const isCertain = decision.isCertain && !network.hasVrf && other.route === decision.route;
  const family = key.dst.family === 4 ? 'ipv4' : 'ipv6';
  const agrees = isAgreed(decision, network, seen);
  const certainty = !isCertain || agrees === null ? 'unknown' : agrees ? 'seen' : 'follows';
  const { rule, route } = decision;
  const byRule =
    rule === null || USUAL_RULES.has(rule.priority) ? [] : [ruleRecord(rule, family, certainty)];
  if (agrees === null) {
    const why = 'the routes that were read do not lead where the packet was seen to go';
    return [unknownRoute(family, why)];
  }
  if (route === null) {
    if (rule !== null && rule.action === 'refuse') return [ruleRecord(rule, family, certainty)];
    return [{ ...unknownRoute(family, null), verdict: 'no route', certainty }];
  }
  const found: FoundRoute = { route, hop: hopOf(decision, network, seen), isCertain };
  const deviceOf = (ifindex: number | null): string | null =>
    ifindex === null ? null : (network.devices.get(ifindex) ?? null);
  const record = routeRecord(found, deviceOf, agrees);
  // Of next hops by one device the kernel takes one by a hash.
  const alike = route.hops.filter((hop) => hop.ifindex === found.hop?.ifindex).length;
  return [
    ...byRule,
    alike > 1 && isCertain ? { ...record, certainty: 'one-of', of: alike } : record,
  ];
}

/** Whether what was seen shows the route; null where it is another way. */
function isAgreed(
  { route, rule }: Decision,
  network: ReadNetwork,
  seen: RouteSeen,
): boolean | null {
  const isRefused = route === null || REFUSING.has(route.type);
  if (seen.kind === 'refused') {
    return isRefused || rule?.action === 'refuse' ? true : null;
  }
  if (isRefused) return null;
  const isLocal = route.type === 'local' || route.type === 'broadcast';
  if (seen.kind === 'local') return isLocal || route.type === 'multicast' ? true : null;
  if (isLocal) return seen.device === 'lo' || route.type === 'broadcast' ? true : null;
  const devices = route.hops.map(({ ifindex }) => network.devices.get(ifindex ?? 0));
  return devices.includes(seen.device) ? true : null;
}

function hopOf({ route }: Decision, network: ReadNetwork, seen: RouteSeen): FoundRoute['hop'] {
  const hops = route?.hops ?? [];
  if (seen.kind !== 'device') return hops[0] ?? null;
  return (
    hops.find(({ ifindex }) => network.devices.get(ifindex ?? 0) === seen.device) ?? hops[0] ?? null
  );
}

function unknownRoute(family: RuleRecord['family'], why: string | null): RuleRecord {
  return {
    ...{ backend: 'route', family, table: 'route', chain: 'route', rule: null, position: null },
    ...{ handle: null, verdict: 'unknown', certainty: 'unknown', of: null },
    source: why === null ? null : { kind: null, name: null, text: why },
  };
}

/** As `ip rule` writes it. */
function ruleRecord(
  rule: Rule,
  family: RuleRecord['family'],
  certainty: RuleRecord['certainty'],
): RuleRecord {
  const verdict =
    rule.action === 'refuse' ? (rule.refusal ?? 'refused') : `lookup ${tableName(rule.table)}`;
  const mask = rule.mask === 0xffffffff ? '' : `/0x${rule.mask.toString(16)}`;
  const text = [
    `${rule.priority}:${rule.isInverted ? ' not' : ''}`,
    `from ${rule.src === null ? 'all' : plainPrefix(rule.src)}`,
    ...(rule.dst === null ? [] : [`to ${plainPrefix(rule.dst)}`]),
    ...(rule.mask === 0 ? [] : [`fwmark 0x${rule.mark.toString(16)}${mask}`]),
    ...(rule.incoming === null ? [] : [`iif ${rule.incoming}`]),
    ...(rule.outgoing === null ? [] : [`oif ${rule.outgoing}`]),
    verdict,
  ].join(' ');
  return {
    ...{ backend: 'route', family, table: 'rules', chain: 'rules', rule: text },
    ...{ position: null, handle: null, verdict, certainty, of: null, source: null },
  };
}

/** `0.0.0.0/0` is no default there. */
function plainPrefix(prefix: NonNullable<Rule['src']>): string {
  return prefix.length === 0 ? `${addressText(prefix)}/0` : prefixText(prefix);
}
