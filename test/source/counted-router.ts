import { ipBatch, runCommand, runIn, setSysctls } from '../../src/lab/run-command.js';
import type { CountedDevice } from '../../src/source/counted-devices.js';
import { readNamespace } from '../../src/source/namespace-number.js';

const PREFIX = 'hs-count-';

export const ROUTER = `${PREFIX}router`;
export const A = {
  netns: `${PREFIX}a`,
  dev: 'to-a',
  ip: '192.0.2.1',
  ip6: '2001:db8:a::1',
  via: '192.0.2.254',
  via6: '2001:db8:a::fe',
  mac: '02:00:00:00:0a:01',
  routerMac: '02:00:00:00:0a:fe',
} as const;
export const B = {
  netns: `${PREFIX}b`,
  dev: 'to-b',
  ip: '198.51.100.1',
  ip6: '2001:db8:b::1',
  via: '198.51.100.254',
  via6: '2001:db8:b::fe',
  mac: '02:00:00:00:0b:01',
  routerMac: '02:00:00:00:0b:fe',
} as const;
export type Pod = typeof A | typeof B;
/** What the router turns into B's address, port 5353. */
export const SERVICE = '203.0.113.7';
export const LINK_HEADER = 14;

/** What no test sends: reports of multicast groups, and of ports where nobody listens. */
const QUIET = `
table inet quiet {
  chain out {
    type filter hook output priority filter;
    icmpv6 type { mld2-listener-report, destination-unreachable } drop
    icmp type destination-unreachable drop
  }
}`;

/**
 * Two pods connected by a router. Neighbours are written down and nothing is advertised, so
 * that only what a test sends is on the wire.
 */
export async function makeCountedRouter(): Promise<void> {
  await removeCountedRouter();
  for (const netns of [ROUTER, A.netns, B.netns]) {
    await runCommand('ip', ['netns', 'add', netns]);
    await setSysctls(netns, [
      'net.ipv6.conf.all.disable_ipv6=0',
      'net.ipv6.conf.default.disable_ipv6=0',
      'net.ipv6.conf.default.accept_dad=0',
      'net.ipv6.conf.default.router_solicitations=0',
      'net.ipv6.conf.default.accept_ra=0',
      `net.ipv4.ip_forward=${netns === ROUTER ? 1 : 0}`,
      `net.ipv6.conf.all.forwarding=${netns === ROUTER ? 1 : 0}`,
    ]);
    await runIn(netns, 'nft', [QUIET]);
  }
  for (const pod of [A, B]) await addPod(pod);
}

/** A pod's veth pair, which may have been removed with `removeDevice`. */
export async function addPod(pod: Pod): Promise<void> {
  await ipBatch(ROUTER, [
    `link add ${pod.dev} address ${pod.routerMac} type veth peer name eth0 address ${pod.mac} netns ${pod.netns}`,
    `address add ${pod.via}/24 dev ${pod.dev}`,
    `address add ${pod.via6}/64 dev ${pod.dev} nodad`,
    `link set ${pod.dev} up`,
    `neighbour replace ${pod.ip} lladdr ${pod.mac} dev ${pod.dev} nud permanent`,
    `neighbour replace ${pod.ip6} lladdr ${pod.mac} dev ${pod.dev} nud permanent`,
  ]);
  await ipBatch(pod.netns, [
    'link set lo up',
    `address add ${pod.ip}/24 dev eth0`,
    `address add ${pod.ip6}/64 dev eth0 nodad`,
    'link set eth0 up',
    `neighbour replace ${pod.via} lladdr ${pod.routerMac} dev eth0 nud permanent`,
    `neighbour replace ${pod.via6} lladdr ${pod.routerMac} dev eth0 nud permanent`,
    `route add default via ${pod.via}`,
    `route add default via ${pod.via6}`,
  ]);
}

export async function removeDevice(pod: Pod): Promise<void> {
  await ipBatch(ROUTER, [`link del ${pod.dev}`]);
}

export async function removeCountedRouter(): Promise<void> {
  for (const netns of [ROUTER, A.netns, B.netns]) {
    await runCommand('ip', ['netns', 'del', netns]).catch(() => undefined);
  }
}

export async function ifindexOf(netns: string, dev: string): Promise<number> {
  const shown = JSON.parse(await runIn(netns, 'ip', ['-j', 'link', 'show', dev]));
  return shown[0].ifindex as number;
}

export function numberOf(netns: string): number {
  return readNamespace(`/run/netns/${netns}`).netns;
}

/** The router's end of a pod's veth, with the pod's end where it is asked for. */
export async function countedDevice(pod: Pod, withPeer: boolean): Promise<CountedDevice> {
  return {
    netns: numberOf(ROUTER),
    path: `/run/netns/${ROUTER}`,
    ifindex: await ifindexOf(ROUTER, pod.dev),
    role: 'pod',
    peer: withPeer
      ? { path: `/run/netns/${pod.netns}`, ifindex: await ifindexOf(pod.netns, 'eth0') }
      : null,
  };
}

export interface Traffic {
  packets: number;
  /** Without link headers. */
  bytes: number;
}

/** What the kernel's own counters say of a device of the router. */
export async function linkTraffic(pod: Pod): Promise<{ in: Traffic; out: Traffic }> {
  const shown = JSON.parse(await runIn(ROUTER, 'ip', ['-s', '-j', 'link', 'show', pod.dev]));
  const { rx, tx } = shown[0].stats64 as Record<'rx' | 'tx', Traffic>;
  const ip = ({ packets, bytes }: Traffic): Traffic => ({
    packets,
    bytes: bytes - packets * LINK_HEADER,
  });
  return { in: ip(rx), out: ip(tx) };
}
