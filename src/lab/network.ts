/**
 * The commands of iproute2 that wire the reference cluster. Pure: what to run, in
 * which namespace, in which order; up.ts runs it.
 */
import { segmentAddresses, segmentRoutes, segmentSetup } from './node-segment.js';
import { ETHERNET_MTU, isRouted, type LabShape } from './options.js';
import {
  ALL_NETNS,
  CLIENT,
  HOST_SIDE_MAC,
  LAN_DEVICE,
  type LabNode,
  type LabPod,
  NODES,
  POD_GATEWAY,
  podsOf,
  WAN_DEVICE,
  WIRES,
} from './topology.js';
import { blockRoutes, podMtu, tunnelLinks } from './tunnels.js';

/** Kernel parameters each namespace starts with, before any device is in it. */
export function initialSysctls(netns: string, shape: LabShape): string[] {
  const { dualStack } = shape;
  const isNode = NODES.some((node) => node.name === netns);
  const routes = isNode || netns === WIRES.wan || (netns === WIRES.lan && isRouted(shape));
  const settings = [
    `net/ipv6/conf/all/disable_ipv6=${dualStack ? 0 : 1}`,
    `net/ipv6/conf/default/disable_ipv6=${dualStack ? 0 : 1}`,
    // No router advertises here and a tentative address would delay the first packet.
    'net/ipv6/conf/default/accept_ra=0',
    'net/ipv6/conf/default/accept_dad=0',
    'net/ipv4/conf/all/send_redirects=0',
    'net/ipv4/conf/default/send_redirects=0',
    // Calico wants strict source checks on its workloads' devices.
    `net/ipv4/conf/all/rp_filter=${isNode ? 1 : 0}`,
    `net/ipv4/conf/default/rp_filter=${isNode ? 1 : 0}`,
  ];
  if (routes) settings.push('net/ipv4/ip_forward=1');
  if (routes && dualStack) settings.push('net/ipv6/conf/all/forwarding=1');
  return settings;
}

/** The links between namespaces, made from outside all of them. */
export function wireLinks(shape: LabShape): string[] {
  const lines = [
    ...(isRouted(shape) ? [] : [bridge('br-lan', WIRES.lan)]),
    bridge('br-wan', WIRES.wan),
  ];
  for (const node of NODES) {
    // The second uplink comes first in the node's list of devices: where a route names no
    // source, the kernel takes the first address it finds (inet_select_addr in
    // net/ipv4/devinet.c), so towards a local pod it is this one.
    lines.push(
      wire(WIRES.wan, `wan-${node.name}`, node.name, WAN_DEVICE, node.wan.mac),
      wire(WIRES.lan, `lan-${node.name}`, node.name, LAN_DEVICE, node.lan.mac),
    );
  }
  lines.push(wire(WIRES.wan, 'wan-client', CLIENT.netns, 'eth0', CLIENT.mac));
  return lines;
}

function bridge(name: string, netns: string): string {
  return `link add ${name} netns ${netns} type bridge forward_delay 0 stp_state 0 mcast_snooping 0`;
}

/**
 * A device on a wire. It is the peer: up to Linux 6.12 at least the other end's name must not
 * be taken where the command runs, and a machine may well have an eth0 of its own.
 */
function wire(wires: string, port: string, netns: string, device: string, mac: string): string {
  return (
    `link add ${port} netns ${wires} ` +
    `type veth peer name ${device} address ${mac} netns ${netns}`
  );
}

export function wireSetup(shape: LabShape): Map<string, string[]> {
  const lan = ['link set lo up', ...segmentSetup(shape)];
  const wan = [
    'link set lo up',
    'link set br-wan up',
    `addr add ${WIRES.wanGateway}/24 dev br-wan`,
  ];
  for (const { name } of NODES) {
    wan.push(`link set wan-${name} master br-wan up`);
  }
  wan.push(`addr add ${CLIENT.router}/24 dev wan-client`, 'link set wan-client up');
  const client = [
    'link set lo up',
    `addr add ${CLIENT.ip}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${CLIENT.router} dev eth0`,
  ];
  if (shape.dualStack) {
    wan.push(
      `addr add ${WIRES.wanGateway6}/64 dev br-wan nodad`,
      `addr add ${CLIENT.router6}/64 dev wan-client nodad`,
    );
    client.push(
      `addr add ${CLIENT.ip6}/64 dev eth0 nodad`,
      `route add default via ${CLIENT.router6} dev eth0`,
    );
  }
  return new Map([
    [WIRES.lan, lan],
    [WIRES.wan, wan],
    [CLIENT.netns, client],
  ]);
}

/** Uplinks, pod links, tunnel and routes of one node, in the order the kernel needs. */
export function nodeSetup(node: LabNode, shape: LabShape): string[] {
  return [
    'link set lo up',
    // tunl0 is older than the uplinks in a namespace, where on a real node it is younger: to
    // keep its address from being the first one found, the loopback device has one before it.
    ...(shape.encap === 'ipip' ? [`addr add ${node.wan.ip}/32 dev lo`] : []),
    `addr add ${node.wan.ip}/24 dev ${WAN_DEVICE}`,
    ...(shape.dualStack ? [`addr add ${node.wan.ip6}/64 dev ${WAN_DEVICE} nodad`] : []),
    ...segmentAddresses(node, shape),
    `link set ${WAN_DEVICE} mtu ${ETHERNET_MTU} up`,
    `link set ${LAN_DEVICE} mtu ${ETHERNET_MTU} up`,
    `route add default via ${WIRES.wanGateway} dev ${WAN_DEVICE}`,
    ...(shape.dualStack ? [`route add default via ${WIRES.wanGateway6} dev ${WAN_DEVICE}`] : []),
    ...segmentRoutes(node, shape),
    ...tunnelLinks(node, shape),
    ...podsOf(node.name).flatMap((pod) => hostSide(pod, shape)),
    `route add blackhole ${node.block} proto bird`,
    ...(shape.dualStack ? [`route add blackhole ${node.block6} proto bird`] : []),
    ...blockRoutes(node, shape),
  ];
}

function hostSide(pod: LabPod, shape: LabShape): string[] {
  const mtu = podMtu(shape);
  return [
    `link add ${pod.hostDevice} address ${HOST_SIDE_MAC} mtu ${mtu} type veth ` +
      `peer name eth0 address ${pod.mac} mtu ${mtu} netns ${pod.name}`,
    `link set ${pod.hostDevice} up`,
    `route add ${pod.ip}/32 dev ${pod.hostDevice} scope link`,
    ...(shape.dualStack ? [`route add ${pod.ip6}/128 dev ${pod.hostDevice}`] : []),
  ];
}

/** Kernel parameters of the devices, once they are there. */
export function deviceSysctls(node: LabNode, shape: LabShape): string[] {
  return podsOf(node.name).flatMap(({ hostDevice }) => [
    `net/ipv4/conf/${hostDevice}/proxy_arp=1`,
    // The kernel would hold back an answer for another's address by up to 0.8 s.
    `net/ipv4/neigh/${hostDevice}/proxy_delay=0`,
    ...(shape.dualStack
      ? [`net/ipv6/conf/${hostDevice}/proxy_ndp=1`, `net/ipv6/neigh/${hostDevice}/proxy_delay=0`]
      : []),
  ]);
}

export function podSetup(pod: LabPod, shape: LabShape): string[] {
  return [
    'link set lo up',
    `addr add ${pod.ip}/32 dev eth0`,
    ...(shape.dualStack ? [`addr add ${pod.ip6}/128 dev eth0 nodad`] : []),
    'link set eth0 up',
    `route add ${POD_GATEWAY} dev eth0 scope link`,
    `route add default via ${POD_GATEWAY} dev eth0`,
    // Calico gives a pod the link-local address of the host side as its IPv6 gateway.
    ...(shape.dualStack ? [`route add default via ${HOST_SIDE_LINK_LOCAL} dev eth0`] : []),
  ];
}

/** EUI-64 of HOST_SIDE_MAC (RFC 4291, appendix A). */
const HOST_SIDE_LINK_LOCAL = 'fe80::ecee:eeff:feee:eeee';

export function netnsLines(verb: 'add' | 'del', names: readonly string[] = ALL_NETNS): string[] {
  return names.map((name) => `netns ${verb} ${name}`);
}
