/** What the reference cluster is called, as its tests need it. */

import type { Encap } from '../../src/lab/options.js';
import { CLIENT, NODES, PODS } from '../../src/lab/topology.js';

export const ADDRESS = {
  pod1: '10.244.153.204',
  pod2: '10.244.153.201',
  pod3: '10.244.146.205',
  /** A node process's source towards a pod of its own node. */
  node111: '172.18.22.111',
  node112: '172.18.22.112',
  client: '172.20.151.77',
  /** Of node111's block, and no pod's. */
  unassigned: '10.244.153.250',
  gateway: '169.254.1.1',
} as const;

export const LAN = { node111: '192.168.100.111', node112: '192.168.100.112' } as const;

export const MAC = {
  gateway: 'ee:ee:ee:ee:ee:ee',
  pod1: PODS[0]?.mac,
  pod2: PODS[1]?.mac,
  pod3: PODS[2]?.mac,
  node111: NODES[0]?.lan.mac,
  node112: NODES[1]?.lan.mac,
  client: CLIENT.mac,
} as const;

export type Mode = Encap;
export const TUNNEL: Readonly<Record<Mode, string | null>> = {
  ipip: 'tunl0',
  vxlan: 'vxlan.calico',
  wireguard: 'wireguard.cali',
  none: null,
};

/** The address a node process of node111 uses towards a pod of the other node. */
export const FAR_SOURCE: Readonly<Record<Mode, string>> = {
  ipip: '10.244.153.192',
  vxlan: '10.244.153.192',
  wireguard: '10.244.153.192',
  none: LAN.node111,
};

/** Of the encapsulation, bytes; of the pods' devices, bytes. */
export const OVERHEAD: Readonly<Record<Mode, number>> = {
  ipip: 20,
  vxlan: 50,
  // Without what the inner packet is padded with to 16 bytes.
  wireguard: 60,
  none: 0,
};
export const POD_MTU: Readonly<Record<Mode, number>> = {
  ipip: 1480,
  vxlan: 1450,
  wireguard: 1440,
  none: 1500,
};
