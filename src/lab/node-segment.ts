/**
 * What lies between the nodes' `ens10`: a bridge, or, when each node is to have a subnet of
 * its own, a router that both are next to. Commands of `ip`. Pure.
 */
import { addressOf, type Family, families, hostPrefix } from './family.js';
import { lanIp, podBlock, routerIp } from './node-address.js';
import { isRouted, type LabShape } from './options.js';
import { LAN_DEVICE, type LabNode, NODES, otherNode } from './topology.js';
import { tunnelOf } from './tunnels.js';

type Segment = Pick<LabShape, 'subnets' | 'dualStack' | 'encap'>;

/** In the namespace of the segment, whose ports are `lan-node111` and `lan-node112`. */
export function segmentSetup(shape: Segment): string[] {
  if (!isRouted(shape)) {
    return [
      'link set br-lan up',
      ...NODES.map(({ name }) => `link set lan-${name} master br-lan up`),
    ];
  }
  return NODES.flatMap((node) => {
    const port = `lan-${node.name}`;
    const each = families(shape.dualStack);
    return [
      `link set ${port} up`,
      ...each.map((family) => address(routerIp(node, family), shape, family, port)),
      // As a router does that speaks BGP with the nodes; a tunnel is for one that does not.
      ...each
        .filter((family) => tunnelOf(shape, family) === null)
        .map((family) => `route add ${podBlock(node, family)} via ${lanIp(node, family)}`),
    ];
  });
}

/** On a node: its address, once `ens10` is there. */
export function segmentAddresses(node: LabNode, shape: Segment): string[] {
  return families(shape.dualStack).map((family) =>
    address(lanIp(node, family), shape, family, LAN_DEVICE),
  );
}

/** On a node: how it reaches the other one, once `ens10` is up. */
export function segmentRoutes(node: LabNode, shape: Segment): string[] {
  if (!isRouted(shape)) return [];
  return families(shape.dualStack).map(
    (family) =>
      `route add ${hostPrefix(lanIp(otherNode(node.name), family), family)} ` +
      `via ${routerIp(node, family)} dev ${LAN_DEVICE}`,
  );
}

function address(ip: string, shape: Segment, family: Family, device: string): string {
  // With a router two addresses make a subnet: RFC 3021, RFC 6164.
  const length = isRouted(shape) ? addressOf('31', '127', family) : addressOf('24', '64', family);
  return `addr add ${ip}/${length} dev ${device}${family === 'ipv6' ? ' nodad' : ''}`;
}
