import { ipBatch, runCommand, runIn, setSysctls } from '../../src/lab/run-command.js';
import { type Audit, audit } from '../../src/mtu/audit.js';
import type { NetworkDescription } from '../../src/network/description.js';
import { NamespaceWatcher } from '../../src/source/namespace-watcher.js';
import { readNetwork } from '../../src/source/network-reader.js';

const PREFIX = 'hs-mtu-';

export const A = `${PREFIX}a`;
export const B = `${PREFIX}b`;
export const P1 = `${PREFIX}p1`;
export const P2 = `${PREFIX}p2`;
export const NAMESPACES = [A, B, P1, P2] as const;
export const POD1 = '10.20.1.2';
export const POD2 = '10.20.2.2';
/** What a tunnel of VXLAN leaves of 1500. */
export const INNER = 1450;

interface Node {
  readonly netns: string;
  readonly pod: string;
  readonly address: string;
  readonly podAddress: string;
  readonly block: string;
}

const NODES: readonly [Node, Node] = [
  { netns: A, pod: P1, address: '192.0.2.1', podAddress: POD1, block: '10.20.1.0/24' },
  { netns: B, pod: P2, address: '192.0.2.2', podAddress: POD2, block: '10.20.2.0/24' },
];

/**
 * Two nodes on one wire, `up0`, with a pod each at `pod0`, and a VXLAN, `vx0`, between.
 * Everything fits. Names of the tunnel's own addresses: 10.9.0.1 and 10.9.0.2.
 */
export async function makeAuditedNet(): Promise<void> {
  await removeAuditedNet();
  for (const netns of NAMESPACES) {
    await runCommand('ip', ['netns', 'add', netns]);
    await setSysctls(netns, ['net/ipv6/conf/all/disable_ipv6=1', 'net/ipv4/ip_forward=0']);
  }
  await ipBatch(null, [`link add up0 netns ${A} type veth peer name up0 netns ${B}`]);
  for (const [near, far] of [NODES, [NODES[1], NODES[0]]] as const) await makeNode(near, far);
}

async function makeNode(near: Node, far: Node): Promise<void> {
  const end = near === NODES[0] ? 1 : 2;
  await setSysctls(near.netns, ['net/ipv4/ip_forward=1']);
  await ipBatch(near.netns, [
    `address add ${near.address}/24 dev up0`,
    'link set up0 up',
    'link set lo up',
    'route add default via 192.0.2.254',
    `link add vx0 mtu ${INNER} type vxlan id 42 dstport 4789 local ${near.address} remote ${far.address}`,
    `address add 10.9.0.${end}/32 dev vx0`,
    'link set vx0 up',
    `route add ${far.block} via 10.9.0.${3 - end} dev vx0 onlink`,
    `link add pod0 mtu ${INNER} type veth peer name eth0 mtu ${INNER} netns ${near.pod}`,
    'link set pod0 up',
    `route add ${near.podAddress} dev pod0`,
  ]);
  await setSysctls(near.netns, ['net/ipv4/conf/pod0/proxy_arp=1']);
  await ipBatch(near.pod, [
    'link set lo up',
    `address add ${near.podAddress}/32 dev eth0`,
    'link set eth0 up',
    'route add 169.254.1.1 dev eth0 scope link',
    'route add default via 169.254.1.1',
  ]);
}

export async function removeAuditedNet(): Promise<void> {
  const listed = await runCommand('ip', ['netns', 'list']);
  for (const line of listed.split('\n')) {
    const [name = ''] = line.split(' ');
    if (name.startsWith(PREFIX)) await runCommand('ip', ['netns', 'del', name]);
  }
}

/** What the reader says of the namespaces of this test. */
export function readAudited(): Promise<NetworkDescription> {
  const found = [...new NamespaceWatcher().scan(true).values()];
  return readNetwork(
    found.filter(({ name }) => name?.startsWith(PREFIX)),
    NamespaceWatcher.own().netns,
  );
}

export async function auditNet(): Promise<Audit> {
  const description = await readAudited();
  if (description.problems.length > 0) throw new Error(JSON.stringify(description.problems));
  return audit(description);
}

/** `id netns/dev` of each finding, sorted. */
export async function faultsFound(): Promise<string[]> {
  const { findings } = await auditNet();
  return findings.map(({ id, netns, dev }) => `${id} ${netns}/${dev}`).sort();
}

/** Runs commands of `ip`, then looks, and puts back what they changed. */
export async function withChange<T>(
  netns: string,
  change: readonly string[],
  back: readonly string[],
  look: () => Promise<T>,
): Promise<T> {
  await ipBatch(netns, change);
  try {
    return await look();
  } finally {
    await ipBatch(netns, back);
  }
}

/** What the kernel itself takes for the MTU towards an address; null where it names none. */
export async function routeMtu(netns: string, to: string, from?: string): Promise<number | null> {
  const where = from === undefined ? [] : ['from', from, 'iif', 'pod0'];
  const route = await runIn(netns, 'ip', ['route', 'get', to, ...where]);
  const mtu = /\bmtu (\d+)/u.exec(route)?.[1];
  return mtu === undefined ? null : Number(mtu);
}

/** Both ends of both pods' pairs. */
export async function setPodMtu(mtu: number): Promise<void> {
  for (const { netns, pod } of NODES) {
    await ipBatch(netns, [`link set pod0 mtu ${mtu}`]);
    await ipBatch(pod, [`link set eth0 mtu ${mtu}`]);
  }
}
