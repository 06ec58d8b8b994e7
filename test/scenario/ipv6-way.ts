/** Between the nodes of the reference cluster over IPv6, which has tunnels of its own. */
import { tunnelOf } from '../../src/lab/tunnels.js';
import type { Mode } from './cluster.js';
import { betweenNodes } from './place.js';
import { acrossNodes, type Node, sent, taken } from './way.js';

/** The device that encapsulates IPv6; `null` where it is routed straight. */
export function ipv6Tunnel(encap: Mode): string | null {
  return tunnelOf({ encap, dualStack: true }, 'ipv6')?.device ?? null;
}

export function betweenNodes6(encap: Mode): string[] {
  const tunnel = ipv6Tunnel(encap);
  const wire = betweenNodes('none');
  return tunnel === null ? wire : [`node111/${tunnel}`, ...wire, `node112/${tunnel}`];
}

export async function acrossNodes6(encap: Mode, from: Node, to: Node): Promise<string[]> {
  const tunnel = ipv6Tunnel(encap);
  const wire = await acrossNodes('none', from, to);
  return tunnel === null
    ? wire
    : [`${from}/${tunnel} egress`, ...sent(from), ...wire, ...taken(to), `${to}/${tunnel} ingress`];
}
