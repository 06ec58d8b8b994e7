/**
 * The fixed facts of the reference cluster: who exists, with which addresses. How
 * they are wired for one mode is in network.ts.
 */

export type NodeName = 'node111' | 'node112';
export type PodName = 'pod1' | 'pod2' | 'pod3';

export interface LabNode {
  readonly name: NodeName;
  /** `ens10`, the segment both nodes share; or which has a router, of an address next to theirs. */
  readonly lan: {
    readonly ip: string;
    readonly ip6: string;
    readonly mac: string;
    readonly router: string;
    readonly router6: string;
  };
  /** `ens9`, the second uplink, which has the default route. */
  readonly wan: { readonly ip: string; readonly ip6: string; readonly mac: string };
  /** Pod block, CIDR. */
  readonly block: string;
  readonly block6: string;
  /** The tunnel device's address: the first of the block. */
  readonly tunnelIp: string;
  readonly tunnelIp6: string;
  readonly vtepMac: string;
}

export interface LabPod {
  readonly name: PodName;
  readonly node: NodeName;
  readonly ip: string;
  readonly ip6: string;
  readonly mac: string;
  /** The host side of the pod's veth pair. */
  readonly hostDevice: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface LabEndpoint {
  readonly pod: PodName;
  readonly port: number;
}

export interface LabService {
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly clusterIp: string;
  readonly clusterIp6: string;
  readonly port: number;
  readonly nodePort: number;
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly endpoints: readonly LabEndpoint[];
}

export const K8S_NAMESPACE = 'default';
export const POD_CIDR = '10.244.0.0/16';
export const POD_CIDR6 = 'fd00:10:244::/48';
export const LAN_DEVICE = 'ens10';
export const WAN_DEVICE = 'ens9';
/** Every `cali*` has it, as Calico sets it. */
export const HOST_SIDE_MAC = 'ee:ee:ee:ee:ee:ee';
/** The gateway a pod is given; no device owns it. */
export const POD_GATEWAY = '169.254.1.1';

export const NODES: readonly LabNode[] = [
  {
    name: 'node111',
    lan: {
      ip: '192.168.100.111',
      ip6: 'fd00:192:168:100::111',
      mac: '52:54:00:dc:c7:b4',
      router: '192.168.100.110',
      router6: 'fd00:192:168:100::110',
    },
    wan: { ip: '172.18.22.111', ip6: 'fd00:172:18:22::111', mac: '52:54:00:5a:09:6f' },
    block: '10.244.153.192/26',
    block6: 'fd00:10:244:99c0::/122',
    tunnelIp: '10.244.153.192',
    tunnelIp6: 'fd00:10:244:99c0::',
    vtepMac: '66:8b:57:1a:6f:11',
  },
  {
    name: 'node112',
    lan: {
      ip: '192.168.100.112',
      ip6: 'fd00:192:168:100::112',
      mac: '52:54:00:d3:bf:21',
      router: '192.168.100.113',
      router6: 'fd00:192:168:100::113',
    },
    wan: { ip: '172.18.22.112', ip6: 'fd00:172:18:22::112', mac: '52:54:00:5a:09:70' },
    block: '10.244.146.192/26',
    block6: 'fd00:10:244:92c0::/122',
    tunnelIp: '10.244.146.192',
    tunnelIp6: 'fd00:10:244:92c0::',
    vtepMac: '66:8b:57:1a:6f:12',
  },
];

export const PODS: readonly LabPod[] = [
  {
    name: 'pod1',
    node: 'node111',
    ip: '10.244.153.204',
    ip6: 'fd00:10:244:99c0::c',
    mac: '32:21:45:c4:c5:d5',
    hostDevice: 'calice0906292e2',
    labels: { role: 'pod1' },
  },
  {
    name: 'pod2',
    node: 'node111',
    ip: '10.244.153.201',
    ip6: 'fd00:10:244:99c0::9',
    mac: '7a:0e:9c:41:d3:02',
    hostDevice: 'calibd2348b4f67',
    labels: { app: 'nginx' },
  },
  {
    name: 'pod3',
    node: 'node112',
    ip: '10.244.146.205',
    ip6: 'fd00:10:244:92c0::d',
    mac: 'be:63:2d:08:f7:03',
    hostDevice: 'cali118af4ccd16',
    labels: { app: 'nginx' },
  },
];

/** Where each pod's HTTP server and UDP echo listen. */
export const HTTP_PORT = 80;
export const UDP_ECHO_PORT = 5353;
export const SERVER_PODS: readonly PodName[] = ['pod2', 'pod3'];

/** Where the ingress proxy runs and listens, and the service it sends requests on to. */
export const INGRESS_POD: PodName = 'pod2';
export const INGRESS_PORT = 8081;
export const INGRESS_TARGET = 'nginx-pod3';

export const SERVICES: readonly LabService[] = [
  {
    name: 'nginx-service',
    protocol: 'tcp',
    clusterIp: '10.107.161.255',
    clusterIp6: 'fd00:10:96::ff',
    port: 8080,
    nodePort: 30080,
    externalTrafficPolicy: 'Cluster',
    endpoints: [
      { pod: 'pod3', port: HTTP_PORT },
      { pod: 'pod2', port: HTTP_PORT },
    ],
  },
  {
    name: 'nginx-local',
    protocol: 'tcp',
    clusterIp: '10.107.161.4',
    clusterIp6: 'fd00:10:96::4',
    port: 8080,
    nodePort: 30081,
    externalTrafficPolicy: 'Local',
    endpoints: [{ pod: 'pod2', port: HTTP_PORT }],
  },
  // One endpoint each, so that which pod answers is not left to chance.
  {
    name: 'nginx-pod2',
    protocol: 'tcp',
    clusterIp: '10.107.161.2',
    clusterIp6: 'fd00:10:96::2',
    port: 8080,
    nodePort: 30082,
    externalTrafficPolicy: 'Cluster',
    endpoints: [{ pod: 'pod2', port: HTTP_PORT }],
  },
  {
    name: 'nginx-pod3',
    protocol: 'tcp',
    clusterIp: '10.107.161.3',
    clusterIp6: 'fd00:10:96::3',
    port: 8080,
    nodePort: 30083,
    externalTrafficPolicy: 'Cluster',
    endpoints: [{ pod: 'pod3', port: HTTP_PORT }],
  },
  {
    name: 'ingress',
    protocol: 'tcp',
    clusterIp: '10.107.161.5',
    clusterIp6: 'fd00:10:96::5',
    port: 80,
    nodePort: 30084,
    externalTrafficPolicy: 'Cluster',
    endpoints: [{ pod: INGRESS_POD, port: INGRESS_PORT }],
  },
];

/** A port of a pod's node that leads to the pod itself, whatever the services. */
export interface LabHostPort extends LabEndpoint {
  readonly protocol: 'tcp' | 'udp';
  readonly hostPort: number;
}

export const HOST_PORTS: readonly LabHostPort[] = [
  { pod: 'pod2', port: HTTP_PORT, protocol: 'tcp', hostPort: 8088 },
  { pod: 'pod3', port: HTTP_PORT, protocol: 'tcp', hostPort: 8089 },
];

/** The machine outside the cluster, and the router between it and the nodes. */
export const CLIENT = {
  netns: 'client',
  ip: '172.20.151.77',
  ip6: 'fd00:172:20:151::77',
  mac: '52:54:00:c1:1e:77',
  router: '172.20.151.1',
  router6: 'fd00:172:20:151::1',
} as const;

/** An address of node111's block that no pod has: the blackhole route takes it. */
export const UNASSIGNED_IP = '10.244.153.250';

export const WIRES = {
  /** A bridge: the nodes' 192.168.100.0/24. With two subnets a router. */
  lan: 'hs-lan',
  /** A router: 172.18.22.0/24 on one side, the client on the other. */
  wan: 'hs-wan',
  wanGateway: '172.18.22.1',
  wanGateway6: 'fd00:172:18:22::1',
} as const;

export const ALL_NETNS: readonly string[] = [
  ...NODES.map((node) => node.name),
  ...PODS.map((pod) => pod.name),
  CLIENT.netns,
  WIRES.lan,
  WIRES.wan,
];

export function podNamed(name: PodName): LabPod {
  const pod = PODS.find((candidate) => candidate.name === name);
  if (pod === undefined) throw new RangeError(`no pod ${name}`);
  return pod;
}

export function otherNode(name: NodeName): LabNode {
  const node = NODES.find((candidate) => candidate.name !== name);
  if (node === undefined) throw new RangeError(`no node besides ${name}`);
  return node;
}

export function podsOf(node: NodeName): readonly LabPod[] {
  return PODS.filter((pod) => pod.node === node);
}
