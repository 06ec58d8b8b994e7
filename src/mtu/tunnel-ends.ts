import type { NextHop, Tunnel, TunnelPeer } from '../network/description.js';
import {
  contains,
  type IpAddress,
  isMulticast,
  isSameAddress,
  isUnspecified,
} from '../network/ip-address.js';
import type { Device, Machine, Namespace } from '../network/machine.js';
import type { RouteKey } from '../network/route-table.js';

/** Other ends of one tunnel that are looked at; a node of a larger cluster has more. */
export const ENDPOINT_LIMIT = 1_024;

/** Where a tunnel sends the packet to one destination; null where the configuration does not say. */
export function endpointFor(device: Device, dst: IpAddress, hop: NextHop): IpAddress | null {
  const { tunnel } = device.link;
  if (tunnel === null) return null;
  if (tunnel.remote !== null) return isMulticast(tunnel.remote) ? null : tunnel.remote;
  if (tunnel.kind === 'wireguard') return peerFor(tunnel, dst);
  if (tunnel.kind === 'vxlan') return forwardedTo(device, hop.via ?? dst);
  // IPIP, SIT and GRE without a remote address send to the route's next hop.
  const next = hop.via ?? dst;
  return next.family === 4 || tunnel.kind.startsWith('ip6') ? next : null;
}

/** WireGuard: the peer with the longest allowed prefix. */
function peerFor({ peers }: Tunnel, dst: IpAddress): IpAddress | null {
  let best = -1;
  let endpoint: IpAddress | null = null;
  for (const peer of peers) {
    for (const prefix of peer.allowed) {
      if (prefix.length <= best || !contains(prefix, dst)) continue;
      best = prefix.length;
      endpoint = peer.endpoint;
    }
  }
  return endpoint;
}

/** VXLAN: the node that has the next hop's MAC address, or the only one there is. */
function forwardedTo({ namespace, link }: Device, next: IpAddress): IpAddress | null {
  const { forwarding, neighbours } = namespace.description;
  const entries = forwarding.filter(({ ifindex }) => ifindex === link.ifindex);
  const neighbour = neighbours.find(
    ({ ifindex, address }) => ifindex === link.ifindex && isSameAddress(address, next),
  );
  const entry = entries.find(({ mac }) => mac === neighbour?.mac);
  return entry?.dst ?? (entries.length === 1 ? (entries[0]?.dst ?? null) : null);
}

export interface Endpoints {
  readonly endpoints: readonly IpAddress[];
  /** Those past the limit. */
  readonly leftOut: number;
}

/** Every other end that a tunnel is configured with, each once. */
export function endpointsOf(device: Device): Endpoints {
  const { namespace, link } = device;
  const { tunnel } = link;
  if (tunnel === null) return { endpoints: [], leftOut: 0 };
  const { forwarding, routes } = namespace.description;
  const all: (IpAddress | null)[] = [
    tunnel.remote,
    ...tunnel.peers.map(({ endpoint }) => endpoint),
    ...forwarding.filter(({ ifindex }) => ifindex === link.ifindex).map(({ dst }) => dst),
  ];
  if (tunnel.remote === null && tunnel.kind !== 'wireguard' && tunnel.kind !== 'vxlan') {
    for (const { hops, type } of routes) {
      if (type !== 'unicast') continue;
      for (const { ifindex, via } of hops) if (ifindex === link.ifindex) all.push(via);
    }
  }
  const unique = new Map<string, IpAddress>();
  for (const each of all) {
    if (each === null || isUnspecified(each) || isMulticast(each)) continue;
    unique.set(`${each.family}/${each.value}`, each);
  }
  const endpoints = [...unique.values()].slice(0, ENDPOINT_LIMIT);
  return { endpoints, leftOut: unique.size - endpoints.length };
}

/** How the outer packets of a tunnel are looked up in the namespace that routes them. */
export function outerKey(tunnel: Tunnel, endpoint: IpAddress): RouteKey {
  return {
    dst: endpoint,
    src: tunnel.local?.family === endpoint.family ? tunnel.local : null,
    mark: tunnel.mark,
    incoming: 'lo',
    outgoing: tunnel.device,
  };
}

/** The device of the same tunnel in the namespace that its outer packets arrive in. */
export function remoteTunnel(
  machine: Machine,
  near: Device,
  arrived: Namespace,
  endpoint: IpAddress,
): Device | null {
  const { tunnel } = near.link;
  if (tunnel === null) return null;
  let found: Device | null = null;
  for (const device of machine.tunnelsOver(arrived)) {
    const other = device.link.tunnel;
    if (other === null || !device.link.isUp || !isSameTunnel(tunnel, other, endpoint)) continue;
    if (other.remote === null) found ??= device;
    // One that is made for this other end comes before one that takes any.
    else if (machine.namespace(near.link.underlay)?.owns(other.remote)) return device;
  }
  return found;
}

function isSameTunnel(near: Tunnel, far: Tunnel, endpoint: IpAddress): boolean {
  return (
    far.kind === near.kind &&
    (far.id === null || near.id === null || far.id === near.id) &&
    (far.port === null || near.port === null || far.port === near.port) &&
    (far.local === null || isSameAddress(far.local, endpoint)) &&
    (far.listens === null || near.peers.some((peer) => isAt(peer, endpoint, far.listens)))
  );
}

function isAt(peer: TunnelPeer, endpoint: IpAddress, port: number | null): boolean {
  return peer.endpoint !== null && peer.port === port && isSameAddress(peer.endpoint, endpoint);
}
