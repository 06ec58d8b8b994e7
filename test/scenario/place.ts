/** Devices of the reference cluster, written `netns/device`, and ways through them. */
import { type PodName, podNamed } from '../../src/lab/topology.js';
import { type Mode, TUNNEL } from './cluster.js';

export function podEnd(pod: PodName): string {
  return `${pod}/eth0`;
}

export function hostEnd(pod: PodName): string {
  const { node, hostDevice } = podNamed(pod);
  return `${node}/${hostDevice}`;
}

/** Between the routing of node111 and that of node112. */
export function betweenNodes(encap: Mode): string[] {
  const tunnel = TUNNEL[encap];
  const wire = ['node111/ens10', 'hs-lan/lan-node111', 'hs-lan/lan-node112', 'node112/ens10'];
  return tunnel === null ? wire : [`node111/${tunnel}`, ...wire, `node112/${tunnel}`];
}

/** Between the client outside and the routing of a node. */
export function fromClient(node: 'node111' | 'node112'): string[] {
  return [
    'client/eth0',
    'hs-wan/wan-client',
    'hs-wan/br-wan',
    `hs-wan/wan-${node}`,
    `${node}/ens9`,
  ];
}
