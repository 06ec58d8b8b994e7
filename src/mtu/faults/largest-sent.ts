import type { Device, Machine } from '../../network/machine.js';
import { isForwarding } from '../pods.js';

/**
 * Bytes of the largest IP packet that a device is given to send: what its routes allow, or its own
 * MTU for a port of a bridge or bond. Null for a device that carries nothing.
 */
export function largestSent(machine: Machine, { namespace, link }: Device): number | null {
  const master = namespace.link(link.master);
  if (master !== null && master.kind !== 'vrf') return link.mtu;
  let largest: number | null = null;
  for (const route of namespace.description.routes) {
    if (!isForwarding(route)) continue;
    if (!route.hops.some(({ ifindex }) => ifindex === link.ifindex)) continue;
    largest = Math.max(largest ?? 0, Math.min(route.mtu ?? link.mtu, link.mtu));
  }
  // A VLAN or macvlan on it sends by it too.
  for (const each of machine.above({ namespace, link })) {
    if (each.link.isUp) largest = Math.max(largest ?? 0, Math.min(each.link.mtu, link.mtu));
  }
  return largest;
}
