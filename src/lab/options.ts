export const ENCAPS = ['ipip', 'vxlan', 'wireguard', 'none'] as const;
export const PROXIES = ['iptables', 'ipvs', 'nftables'] as const;
export const IPTABLES_BACKENDS = ['nft', 'legacy'] as const;

export const SUBNET_COUNTS = [1, 2] as const;

export type SubnetCount = (typeof SUBNET_COUNTS)[number];
export type Encap = (typeof ENCAPS)[number];
export type ProxyMode = (typeof PROXIES)[number];
export type IptablesBackend = (typeof IPTABLES_BACKENDS)[number];

/** What a cluster is built like. */
export interface LabShape {
  readonly encap: Encap;
  readonly proxy: ProxyMode;
  readonly iptables: IptablesBackend;
  /** Tunnel only between subnets. */
  readonly crossSubnet: boolean;
  /** Whether the nodes' uplinks share a subnet, or have one each with a router between. */
  readonly subnets: SubnetCount;
  /** MTU of pod `eth0` and of its host side, bytes; `null` for what the tunnel leaves. */
  readonly podMtu: number | null;
  /** Whether the network policy of the reference cluster is in force. */
  readonly policy: boolean;
  readonly dualStack: boolean;
}

/** Whether the nodes have a router between them. */
export function isRouted({ subnets }: Pick<LabShape, 'subnets'>): boolean {
  return subnets === 2;
}

export interface LabUpOptions extends Partial<Omit<LabShape, 'encap'>> {
  /** Left out: ipip where the kernel has it, else vxlan. */
  readonly encap?: Encap;
  /** Aborting undoes what was built and rejects. */
  readonly signal?: AbortSignal;
}

/** Gets, a line at a time, what a person should know. */
export type LabReporter = (line: string) => void;

export const ETHERNET_MTU = 1500;
