/**
 * The ways through the reference cluster, hop by hop: devices with their direction,
 * and the hooks of netfilter that a packet passes between them.
 */

import type { Hook } from 'hopscope-protocol';
import { runIn } from '../../src/lab/run-command.js';
import { NODES } from '../../src/lab/topology.js';
import { type Mode, TUNNEL } from './cluster.js';

/**
 * Whether the hooks of a namespace are among the steps of a way. A hook is seen where
 * something is registered at it. The nodes have rules; in other namespaces a kernel may have put
 * something of its own, or nothing.
 */
export function hasHookSteps(netns: string): boolean {
  return NODES.some(({ name }) => name === netns);
}

function hookSteps(netns: string, hooks: readonly Hook[]): string[] {
  return hasHookSteps(netns) ? hooks.map((hook) => `${netns} ${hook}`) : [];
}

const SEND = (netns: string): string[] => hookSteps(netns, ['output', 'postrouting']);
const TAKE = (netns: string): string[] => hookSteps(netns, ['prerouting', 'input']);
const ROUTE = (netns: string): string[] =>
  hookSteps(netns, ['prerouting', 'forward', 'postrouting']);

export type Node = 'node111' | 'node112';

/** A pod sends, up to the host side of its link. */
export function outOfPod(pod: string, hostSide: string): string[] {
  return [...SEND(pod), `${pod}/eth0 egress`, `${hostSide} ingress`];
}

/** From the host side of a pod's link into the pod. */
export function intoPod(pod: string, hostSide: string): string[] {
  return [`${hostSide} egress`, `${pod}/eth0 ingress`, ...TAKE(pod)];
}

export const routed = ROUTE;
export const sent = SEND;

/** A process of a node receives. */
export function taken(node: Node): string[] {
  return TAKE(node);
}

/**
 * From one node's routing to the other's, over what is between them: a router, or a bridge,
 * which passes the hooks of routing as well where the kernel has br_netfilter.
 */
export async function acrossNodes(mode: Mode, from: Node, to: Node): Promise<string[]> {
  const tunnel = TUNNEL[mode];
  const wire = [
    `${from}/ens10 egress`,
    `hs-lan/lan-${from} ingress`,
    ...((await bridgeHooks('hs-lan')) || (await isRouter('hs-lan')) ? ROUTE('hs-lan') : []),
    `hs-lan/lan-${to} egress`,
    `${to}/ens10 ingress`,
  ];
  return tunnel === null
    ? wire
    : [`${from}/${tunnel} egress`, ...SEND(from), ...wire, ...TAKE(to), `${to}/${tunnel} ingress`];
}

/** From the client outside to a node's routing. */
export function fromClientTo(node: Node): string[] {
  return [
    ...SEND('client'),
    'client/eth0 egress',
    'hs-wan/wan-client ingress',
    ...ROUTE('hs-wan'),
    'hs-wan/br-wan egress',
    `hs-wan/wan-${node} egress`,
    `${node}/ens9 ingress`,
  ];
}

/** From a node's routing back to the client. */
export async function toClientFrom(node: Node): Promise<string[]> {
  const passed = ROUTE('hs-wan');
  const up = [...passed.slice(0, 1), 'hs-wan/br-wan ingress'];
  return [
    `${node}/ens9 egress`,
    `hs-wan/wan-${node} ingress`,
    // With br_netfilter the hook is passed on the port, and not again on the bridge.
    ...((await bridgeHooks('hs-wan')) ? up : up.reverse()),
    ...passed.slice(1),
    'hs-wan/wan-client egress',
    'client/eth0 ingress',
    ...TAKE('client'),
  ];
}

async function isRouter(netns: string): Promise<boolean> {
  return (await runIn(netns, 'sysctl', ['-n', 'net.ipv4.ip_forward'])).trim() === '1';
}

async function bridgeHooks(netns: string): Promise<boolean> {
  const name = 'net.bridge.bridge-nf-call-iptables';
  return (await runIn(netns, 'sysctl', ['-n', '-e', name])).trim() === '1';
}
