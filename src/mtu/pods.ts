import type { Device, Machine, Namespace } from '../network/machine.js';

/** A pod's own device, and the end of the pair that its node has. */
export interface Pod {
  readonly device: Device;
  readonly hostEnd: Device;
}

/**
 * Devices of namespaces that reach everything through one other namespace by a veth, as pods and
 * containers do. A node has tunnels, devices of the machine, or several namespaces beside it.
 */
export function findPods(machine: Machine): Pod[] {
  return machine.namespaces.flatMap((namespace) => podsOf(machine, namespace));
}

function podsOf(machine: Machine, namespace: Namespace): Pod[] {
  const { isOwn, links } = namespace.description;
  if (isOwn) return [];
  const pods: Pod[] = [];
  const beside = new Set<Namespace>();
  for (const link of links) {
    if (!link.isUp || link.isLoopback) continue;
    if (link.tunnel !== null || (link.kind === null && namespace.isRouted(link.ifindex))) return [];
    const hostEnd = link.kind === 'veth' ? machine.other({ namespace, link }) : null;
    if (hostEnd === null || hostEnd.namespace === namespace) continue;
    beside.add(hostEnd.namespace);
    pods.push({ device: { namespace, link }, hostEnd });
  }
  if (beside.size > 1) return [];
  return pods.filter(({ device }) => namespace.leadsAway(device.link.ifindex));
}
