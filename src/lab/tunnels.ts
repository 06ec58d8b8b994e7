/** The tunnel of a mode on one node: its devices, addresses and routes. Pure. */
import { VXLAN_PORT } from '../packet/vxlan.js';
import { type Family, families, hostPrefix } from './family.js';
import { lanIp, podBlock, routerIp, tunnelIp } from './node-address.js';
import { type Encap, ETHERNET_MTU, isRouted, type LabShape } from './options.js';
import { LAN_DEVICE, type LabNode, otherNode } from './topology.js';

/** Calico's VXLAN network and port. */
export const VXLAN_VNI = 4096;

/** What WireGuard's own packets carry, so that they are not routed into the tunnel again. */
export const WIREGUARD_MARK = '0x100000';

export interface Tunnel {
  readonly family: Family;
  /** By Calico's name for it (15 characters at most, IFNAMSIZ). */
  readonly device: string;
  /** Largest inner packet that fits a 1500-byte uplink, bytes. */
  readonly mtu: number;
}

/** The IPv6 ones go over IPv6: 20 bytes more of outer header. IPIP has none in Calico. */
const TUNNELS: Readonly<Record<Encap, readonly Tunnel[]>> = {
  ipip: [{ family: 'ipv4', device: 'tunl0', mtu: 1480 }],
  vxlan: [
    { family: 'ipv4', device: 'vxlan.calico', mtu: 1450 },
    { family: 'ipv6', device: 'vxlan-v6.calico', mtu: 1430 },
  ],
  wireguard: [
    { family: 'ipv4', device: 'wireguard.cali', mtu: 1440 },
    { family: 'ipv6', device: 'wg-v6.cali', mtu: 1420 },
  ],
  none: [],
};

export type TunnelShape = Pick<LabShape, 'encap' | 'dualStack'>;

/** The tunnels a cluster of this shape has, IPv4 first. */
export function tunnelsOf(shape: TunnelShape): readonly Tunnel[] {
  const wanted = families(shape.dualStack);
  return TUNNELS[shape.encap].filter(({ family }) => wanted.includes(family));
}

export function tunnelOf(shape: TunnelShape, family: Family): Tunnel | null {
  return tunnelsOf(shape).find((tunnel) => tunnel.family === family) ?? null;
}

/** MTU of a pod's `eth0` and of its host side, bytes: what fits every tunnel. */
export function podMtu(shape: LabShape): number {
  return shape.podMtu ?? Math.min(ETHERNET_MTU, ...tunnelsOf(shape).map(({ mtu }) => mtu));
}

/** Commands of `ip` that make the tunnel devices of a node. */
export function tunnelLinks(node: LabNode, shape: LabShape): string[] {
  return tunnelsOf(shape).flatMap(({ family, device, mtu }) => {
    const up = [
      `link set ${device} mtu ${mtu} up`,
      `addr add ${hostPrefix(tunnelIp(node, family), family)} dev ${device} ${nodad(family)}`,
    ];
    switch (shape.encap) {
      case 'vxlan':
        return [
          `link add ${device} address ${node.vtepMac} type vxlan id ${VXLAN_VNI} ` +
            `local ${lanIp(node, family)} dev ${LAN_DEVICE} dstport ${VXLAN_PORT} nolearning`,
          ...up,
        ];
      case 'wireguard':
        return [`link add ${device} type wireguard`, ...up];
      default:
        return up;
    }
  });
}

/** There is nobody else to ask whether an address is taken. */
function nodad(family: Family): string {
  return family === 'ipv6' ? 'nodad' : '';
}

/** Commands of `ip`: routes to the other node's block, through the tunnel or straight. */
export function blockRoutes(node: LabNode, shape: LabShape): string[] {
  return families(shape.dualStack).flatMap((family) => familyRoutes(node, shape, family));
}

function familyRoutes(node: LabNode, shape: LabShape, family: Family): string[] {
  const peer = otherNode(node.name);
  const block = podBlock(peer, family);
  const via = lanIp(peer, family);
  const hop = isRouted(shape) ? routerIp(node, family) : via;
  const straight = `route add ${block} via ${hop} dev ${LAN_DEVICE} proto bird`;
  const tunnel = tunnelOf(shape, family);
  const needless = shape.crossSubnet && !isRouted(shape) && shape.encap !== 'wireguard';
  if (tunnel === null || needless) return [straight];
  const { device } = tunnel;
  switch (shape.encap) {
    case 'vxlan': {
      // Calico routes to the other node's tunnel address, which a static neighbour entry
      // and a static forwarding entry lead to that node.
      const far = tunnelIp(peer, family);
      return [
        `neigh add ${far} lladdr ${peer.vtepMac} dev ${device} nud permanent`,
        `route add ${block} via ${far} dev ${device} onlink`,
      ];
    }
    case 'wireguard': {
      // Felix's form: everything but the tunnel's own packets looks at table 1 first.
      return [
        straight,
        `route add ${block} dev ${device} table 1${family === 'ipv4' ? ' scope link' : ''}`,
        `route add throw ${podBlock(node, family)} table 1`,
      ];
    }
    default:
      return [`route add ${block} via ${via} dev ${device} proto bird onlink`];
  }
}

/** Arguments of `ip`, one list a command: which routing table is looked at first. */
export function routingRules(shape: LabShape): string[][] {
  if (shape.encap !== 'wireguard') return [];
  const mark = `${WIREGUARD_MARK}/${WIREGUARD_MARK}`;
  // Unlike a route, a rule does not say its family by its addresses.
  return tunnelsOf(shape).map(({ family }) =>
    `${family === 'ipv6' ? '-6' : '-4'} rule add not fwmark ${mark} lookup 1 priority 99`.split(
      ' ',
    ),
  );
}

/** Commands of `bridge`: which node an inner Ethernet address of the VXLAN is on. */
export function vxlanForwarding(node: LabNode, shape: LabShape): string[] {
  if (shape.encap !== 'vxlan') return [];
  const peer = otherNode(node.name);
  return tunnelsOf(shape).map(
    ({ family, device }) =>
      `fdb add ${peer.vtepMac} dev ${device} dst ${lanIp(peer, family)} self permanent`,
  );
}
