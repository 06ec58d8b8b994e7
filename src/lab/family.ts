import { type LabEndpoint, POD_CIDR, POD_CIDR6, podNamed } from './topology.js';

/** IP version of a set of rules. */
export type Family = 'ipv4' | 'ipv6';

export function families(dualStack: boolean): readonly Family[] {
  return dualStack ? ['ipv4', 'ipv6'] : ['ipv4'];
}

export function addressOf(ip: string, ip6: string, family: Family): string {
  return family === 'ipv4' ? ip : ip6;
}

export function hostPrefix(ip: string, family: Family): string {
  return family === 'ipv4' ? `${ip}/32` : `${ip}/128`;
}

export function podCidr(family: Family): string {
  return family === 'ipv4' ? POD_CIDR : POD_CIDR6;
}

/** `address:port`, the address in brackets where it is IPv6. */
export function endpointAddress(endpoint: LabEndpoint, family: Family): string {
  const pod = podNamed(endpoint.pod);
  return family === 'ipv4' ? `${pod.ip}:${endpoint.port}` : `[${pod.ip6}]:${endpoint.port}`;
}
