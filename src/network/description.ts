/**
 * What a machine's network namespaces are configured as: devices, addresses, routes, rules. Plain
 * values that a reader fills and pure stages judge.
 */
import type { FirewallChain } from './firewall.js';
import type { Family, IpAddress, Prefix } from './ip-address.js';

/** A device by its namespace's number and its own. */
export interface DeviceId {
  readonly netns: number;
  readonly ifindex: number;
}

/** Another node of a tunnel, as the device knows it. */
export interface TunnelPeer {
  /** Where outer packets go; null where that is not known yet. */
  readonly endpoint: IpAddress | null;
  /** UDP port there. */
  readonly port: number | null;
  /** WireGuard: the inner destinations that go there. */
  readonly allowed: readonly Prefix[];
}

/** A device that puts packets into others. */
export interface Tunnel {
  /** rtnetlink link kind. */
  readonly kind: string;
  /** null where any address will do. */
  readonly local: IpAddress | null;
  /** The other end, or a multicast group; null where each route or entry names its own. */
  readonly remote: IpAddress | null;
  /** Device that outer packets have to take. */
  readonly device: number | null;
  /** By which outer packets are routed. */
  readonly mark: number;
  /** Whether the outer packet has DF set and the tunnel learns from ICMP; null: no such setting. */
  readonly pmtuDiscovery: boolean | null;
  /** GRE: outer packets are fragmented although the inner one has DF set. */
  readonly ignoresDf: boolean;
  /** VXLAN, Geneve: DF of the outer packet. */
  readonly df: 'unset' | 'set' | 'inherit' | null;
  /** VXLAN and Geneve network identifier, GRE key of what is sent. */
  readonly id: number | null;
  /** VXLAN, Geneve: UDP port at the other end. */
  readonly port: number | null;
  /** WireGuard: UDP port of its own. */
  readonly listens: number | null;
  readonly hasKey: boolean;
  readonly hasChecksum: boolean;
  readonly hasSequence: boolean;
  /** Whether the inner packet keeps an Ethernet header. */
  readonly hasEthernet: boolean;
  /** IPv6 tunnels: the limit they announce in a destination option; null without one. */
  readonly encapsulationLimit: number | null;
  /** A further header of UDP around IPIP, SIT or GRE. */
  readonly within: 'fou' | 'gue' | null;
  /** Each packet says where it goes (`external`, collect_md): nothing of that is configured. */
  readonly isExternal: boolean;
  readonly peers: readonly TunnelPeer[];
}

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** rtnetlink link kind, null for hardware. */
  readonly kind: string | null;
  /** Bytes of the largest IP packet. */
  readonly mtu: number;
  /** Of the device's range; 0 where it names none. */
  readonly minMtu: number;
  readonly maxMtu: number;
  readonly isUp: boolean;
  /** Whether it has a carrier: a veth whose other end is down has none. */
  readonly isRunning: boolean;
  readonly isLoopback: boolean;
  readonly master: number | null;
  /** veth: the other end. VLAN, macvlan, ipvlan: the device below. Null where it was not found. */
  readonly other: DeviceId | null;
  /** The namespace that outer packets are routed in; null where it was not found. */
  readonly underlay: number | null;
  readonly tunnel: Tunnel | null;
}

export interface InterfaceAddress {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly length: number;
}

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'other';

export interface NextHop {
  readonly ifindex: number | null;
  readonly via: IpAddress | null;
}

export interface Route {
  readonly table: number;
  readonly dst: Prefix;
  readonly type: RouteType;
  readonly priority: number;
  /** Bytes; null where the device's counts. */
  readonly mtu: number | null;
  /** Whether path MTU discovery may not lower it. */
  readonly isMtuLocked: boolean;
  readonly advmss: number | null;
  readonly hops: readonly NextHop[];
}

/** What was learned by ICMP about one destination. */
export interface CachedRoute {
  readonly dst: IpAddress;
  readonly ifindex: number | null;
  readonly mtu: number | null;
  readonly isMtuLocked: boolean;
  /** Seconds it has left; null where that is not said. */
  readonly expiresIn: number | null;
}

export interface Rule {
  readonly family: Family;
  readonly priority: number;
  readonly src: Prefix | null;
  readonly dst: Prefix | null;
  readonly incoming: string | null;
  readonly outgoing: string | null;
  readonly mark: number;
  readonly mask: number;
  readonly isInverted: boolean;
  readonly action: 'table' | 'goto' | 'nop' | 'refuse';
  /** How it refuses; absent for one that does not, or where that is not known. */
  readonly refusal?: 'blackhole' | 'unreachable' | 'prohibit';
  readonly table: number;
  /** Priority of the rule that `goto` goes on with. */
  readonly target: number | null;
  /** Routes as short as this one or shorter are passed over; null without. */
  readonly suppressedLength: number | null;
  /** Sends what comes in or goes out by a port of a VRF to the VRF's own table. */
  readonly isVrf: boolean;
  /** Looks at more than addresses, devices and mark: whether it matches is not known. */
  readonly isSelective: boolean;
}

/** The device and MAC address of a neighbour. */
export interface Neighbour {
  readonly ifindex: number;
  readonly address: IpAddress;
  readonly mac: string;
}

/** Of a VXLAN device: the node that has a MAC address. */
export interface ForwardingEntry {
  readonly ifindex: number;
  readonly mac: string;
  readonly dst: IpAddress;
}

export interface NamespaceDescription {
  /** The number that records name it by. */
  readonly netns: number;
  readonly name: string;
  /** A path that setns(2) takes. */
  readonly path: string;
  /** How `ip -n` knows it; null where it has no name under /run/netns. */
  readonly given: string | null;
  readonly isOwn: boolean;
  /** Whether packets are passed on, by family. */
  readonly forwards: Readonly<Record<Family, boolean>>;
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  readonly routes: readonly Route[];
  readonly cached: readonly CachedRoute[];
  readonly rules: readonly Rule[];
  readonly neighbours: readonly Neighbour[];
  readonly forwarding: readonly ForwardingEntry[];
  /** Of iptables and nftables; nat tables, which drop nothing, are left out. */
  readonly firewall: readonly FirewallChain[];
}

/** Something that was not read; the rest of the description stands. */
export interface ReadingProblem {
  /** Stays the same. */
  readonly code: string;
  readonly netns: string;
  readonly message: string;
}

export interface NetworkDescription {
  readonly namespaces: readonly NamespaceDescription[];
  readonly problems: readonly ReadingProblem[];
}
