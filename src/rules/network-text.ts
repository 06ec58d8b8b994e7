/** Routing of a namespace as text, and back: addresses are numbers that JSON has no form for. */
import type { Link, Route, Rule } from '../network/description.js';
import type { IpAddress, Prefix } from '../network/ip-address.js';
import { RouteTable } from '../network/route-table.js';
import { familyOf, prefixRange } from './address.js';
import type { LocalRange, Packet, Surroundings } from './packet.js';

export interface NetworkPart {
  readonly links: readonly Pick<Link, 'ifindex' | 'name'>[];
  readonly routes: readonly Route[];
  readonly rules: readonly Rule[];
}

export interface ReadNetwork {
  readonly devices: ReadonlyMap<number, string>;
  readonly routes: readonly Route[];
  readonly table: RouteTable;
  /** Whether something routes by more than addresses, devices and mark. */
  readonly isSelective: boolean;
  /** Whether devices may have tables of their own. */
  readonly hasVrf: boolean;
}

const BIG = /^-?\d+n$/u;

export function networkText(part: NetworkPart): string {
  return JSON.stringify(part, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
}

/** Of what `networkText` wrote. */
export function readNetworkText(text: string): ReadNetwork {
  const { links, routes, rules } = JSON.parse(text, (key, value: unknown) =>
    key === 'value' && typeof value === 'string' && BIG.test(value)
      ? BigInt(value.slice(0, -1))
      : value,
  ) as NetworkPart;
  return {
    devices: new Map(links.map(({ ifindex, name }) => [ifindex, name])),
    routes,
    table: new RouteTable(routes, rules),
    isSelective: rules.some((rule) => rule.isSelective || rule.isVrf),
    hasVrf: rules.some((rule) => rule.isVrf),
  };
}

/** The addresses that a namespace answers for. */
export function localOf(network: ReadNetwork | null): Omit<Surroundings, 'sets'> {
  if (network === null) return { local: null, broadcast: [] };
  const ranges = (type: Route['type']): LocalRange[] =>
    network.routes
      .filter((route) => route.type === type)
      .map(({ dst, hops }) => ({
        ...rangeOf(dst),
        device: network.devices.get(hops[0]?.ifindex ?? 0) ?? null,
      }));
  return { local: ranges('local'), broadcast: ranges('broadcast') };
}

function rangeOf({ family, value, length }: Prefix): ReturnType<typeof prefixRange> {
  return prefixRange(family === 4 ? Number(value) : value, length);
}

/** The device that a packet is routed to; null where that is not known. */
export function deviceFor(network: ReadNetwork, packet: Packet): string | null {
  if (network.isSelective) return null;
  const address = (value: Packet['src']): IpAddress => ({
    family: familyOf(value),
    value: BigInt(value),
  });
  const found = network.table.find({
    ...{ dst: address(packet.dst), src: address(packet.src), mark: packet.mark, outgoing: null },
    incoming: packet.incoming === '' || packet.incoming === null ? 'lo' : packet.incoming,
  });
  if (found === null || !found.isCertain || found.route.type !== 'unicast') return null;
  // Of several next hops the kernel takes one by a hash.
  return found.route.hops.length > 1
    ? null
    : (network.devices.get(found.hop?.ifindex ?? 0) ?? null);
}
