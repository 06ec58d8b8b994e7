/** A node's addresses in one IP version. */
import { addressOf, type Family } from './family.js';
import type { LabNode } from './topology.js';

export function tunnelIp(node: LabNode, family: Family): string {
  return addressOf(node.tunnelIp, node.tunnelIp6, family);
}

export function lanIp(node: LabNode, family: Family): string {
  return addressOf(node.lan.ip, node.lan.ip6, family);
}

export function podBlock(node: LabNode, family: Family): string {
  return addressOf(node.block, node.block6, family);
}

/** Of the router next to it, where the nodes have a subnet each. */
export function routerIp({ lan }: LabNode, family: Family): string {
  return addressOf(lan.router, lan.router6, family);
}
