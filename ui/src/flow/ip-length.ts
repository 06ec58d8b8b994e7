import type { HopRecord } from 'hopscope-protocol';

const ETHERNET_BYTES = 14;
const VLAN_BYTES = 4;

/**
 * Bytes of the IP packet at a hop, with a tunnel's headers where it is in one: what the MTU is
 * about. The length of a device's hop is that of the frame.
 */
export function ipLength({ len, mac, vlan }: HopRecord): number | null {
  if (len === null) return null;
  if (mac === null) return len;
  return len - ETHERNET_BYTES - (vlan == null ? 0 : VLAN_BYTES);
}

/** Whether what a device sends is more than it takes. A GSO packet is cut to size later. */
export function isTooLong(hop: HopRecord): boolean {
  const length = ipLength(hop);
  return (
    hop.stage === 'egress' &&
    hop.gso === null &&
    length !== null &&
    hop.mtu !== null &&
    length > hop.mtu
  );
}
