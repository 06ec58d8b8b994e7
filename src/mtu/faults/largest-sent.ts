import type { Link } from '../../network/description.js';
import type { Device, Machine } from '../../network/machine.js';
import { isForwarding } from '../../network/route.js';

/**
 * Bytes of the largest IP packet that a device is given to send: what its routes allow, or what
 * comes in by the other ports of its bridge. Null for a device that carries nothing.
 */
export function largestSent(machine: Machine, device: Device): number | null {
  const { namespace, link } = device;
  const master = namespace.link(link.master);
  if (master !== null && master.kind === 'bridge') return bridged(machine, device, master);
  if (master !== null && master.kind !== 'vrf') return link.mtu;
  let largest = routed(device);
  // A VLAN or macvlan on it sends by it too.
  for (const each of machine.above(device)) {
    if (each.link.isUp) largest = Math.max(largest ?? 0, Math.min(each.link.mtu, link.mtu));
  }
  return largest;
}

function routed({ namespace, link }: Device): number | null {
  let largest: number | null = null;
  for (const route of namespace.description.routes) {
    if (!isForwarding(route)) continue;
    if (!route.hops.some(({ ifindex }) => ifindex === link.ifindex)) continue;
    largest = Math.max(largest ?? 0, Math.min(route.mtu ?? link.mtu, link.mtu));
  }
  return largest;
}

function bridged(machine: Machine, port: Device, bridge: Link): number | null {
  const { namespace, link } = port;
  let largest = routed({ namespace, link: bridge });
  for (const each of namespace.ports(bridge.ifindex)) {
    if (each.ifindex === link.ifindex || !isCarrying(each)) continue;
    const incoming = incomingBy(machine, { namespace, link: each });
    if (incoming !== null) largest = Math.max(largest ?? 0, incoming);
  }
  return largest === null ? null : Math.min(largest, link.mtu);
}

/** Whether a port takes part: it is up, and there is something at its other end. */
export function isCarrying({ isUp, isRunning }: Link): boolean {
  return isUp && isRunning;
}

/**
 * Bytes of the largest packet that comes in by the port of a bridge; null where nothing does. A
 * tunnel brings what the other nodes' ports send, which are taken to be as those of this one.
 */
export function incomingBy(machine: Machine, port: Device): number | null {
  const { link } = port;
  if (link.tunnel !== null) return null;
  if (link.kind !== 'veth') return link.mtu;
  const other = machine.other(port);
  if (other === null || !other.link.isUp) return null;
  const isBridged = other.namespace.link(other.link.master)?.kind === 'bridge';
  // What two bridges pass to each other came in by ports of one of them.
  const sent = isBridged ? other.link.mtu : largestSent(machine, other);
  // What is larger than the port itself it does not take: that is a fault of the pair.
  return sent === null ? null : Math.min(sent, link.mtu);
}
