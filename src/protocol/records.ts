/**
 * The records that leave hopscope, one JSON object a line. Names and meanings are
 * an interface that other programs check against: add to it, never rename in it.
 *
 * Counts and times that may pass 2^53 are decimal strings; absent things are `null`.
 */

import type { FlowMtuRecord, MtuEvidenceRecord } from './mtu-records.js';
import type { TcpHealthRecord } from './tcp-record.js';

export type Stage = 'egress' | 'ingress' | 'netfilter' | 'deliver' | 'drop';
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
export type Protocol = 'tcp' | 'udp' | 'icmp' | 'icmpv6' | 'arp' | 'sctp' | 'gre' | string;
export type PathVerdict = 'delivered' | 'dropped' | 'forwarded' | 'unknown';
export type MtuVerdict = 'fits' | 'fragments' | 'blackhole' | 'pmtu' | 'unknown';
export type Direction = 'original' | 'reply';
export type EncapsulationType =
  | 'ipip'
  | 'vxlan'
  | 'wireguard'
  | 'gre'
  | 'geneve'
  | 'ip6tnl'
  | 'sit';

export interface IcmpRecord {
  readonly type: number;
  readonly code: number;
  /** Identifier of an echo; `null` where the type has none. */
  readonly id: number | null;
  readonly seq: number | null;
  /** Of fragmentation needed and packet too big: the MTU it reports, bytes. */
  readonly mtu?: number;
}

/** Where in its packet a fragment lies. */
export interface FragmentRecord {
  /** Bytes before it. */
  readonly offset: number;
  /** Whether others come after it. */
  readonly more: boolean;
}

/** The innermost transport tuple as it is at one hop. */
export interface TupleRecord {
  readonly proto: Protocol;
  readonly src: string;
  readonly dst: string;
  readonly sport: number | null;
  readonly dport: number | null;
  readonly icmp?: IcmpRecord | null;
}

export interface OuterRecord {
  readonly type: EncapsulationType;
  readonly src: string;
  readonly dst: string;
  readonly sport: number | null;
  readonly dport: number | null;
  readonly vni: number | null;
  /** Bytes the encapsulation adds to the inner IP packet's frame on this device. */
  readonly overhead: number;
}

export interface ConntrackRecord {
  readonly state: 'new' | 'established' | 'related' | 'untracked' | string;
  readonly zone: number;
  /** Whether this packet travels in conntrack's reply direction. */
  readonly reply?: boolean;
}

export interface TcpRecord {
  /** Letters as tcpdump prints them: `S`, `S.`, `.`, `P.`, `F.`, `R`. */
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly payload: number;
  readonly mss: number | null;
  readonly windowScale: number | null;
}

/** A rule that a packet met, or the policy of a chain. */
export interface RuleRecord {
  readonly backend: 'iptables-nft' | 'iptables-legacy' | 'nft' | 'ipvs' | 'route';
  readonly family: 'ipv4' | 'ipv6' | 'inet';
  readonly table: string;
  readonly chain: string;
  /** As its tool writes it; `null` for a chain's policy. */
  readonly rule: string | null;
  /** 1 for the first of its chain. */
  readonly position: number | null;
  /** Of nftables. */
  readonly handle: number | null;
  readonly verdict: string;
  /**
   * `seen`: the packet shows it. `follows`: no other way agrees with what was seen. `one-of`: so many ways
   * (`of`) agree. `unknown`: not known.
   */
  readonly certainty: 'seen' | 'follows' | 'one-of' | 'unknown';
  readonly of: number | null;
  /** What it was written for, where that is known; `text` says what it does. */
  readonly source: RuleSource | null;
}

export interface RuleSource {
  /** Such as `Service`, `NetworkPolicy`, `HostPort`; `null` where no object is known. */
  readonly kind: string | null;
  readonly name: string | null;
  readonly text: string;
}

export interface HopRecord {
  readonly node: string | null;
  readonly netns: string;
  readonly dev: string | null;
  readonly ifindex: number | null;
  /** rtnetlink link kind, `null` for hardware. */
  readonly kind: string | null;
  readonly stage: Stage;
  readonly hook: Hook | null;
  readonly priority: number | null;
  /** Frame length in bytes as `tcpdump -e` prints it on that device. */
  readonly len: number | null;
  readonly mtu: number | null;
  readonly gso: { readonly size: number; readonly segs: number } | null;
  readonly mac: { readonly src: string; readonly dst: string } | null;
  readonly vlan?: { readonly id: number; readonly proto: number } | null;
  readonly outer: OuterRecord | null;
  readonly tuple: TupleRecord | null;
  readonly ttl: number | null;
  /** IPv4 identification of the innermost header, or that of an IPv6 fragment. */
  readonly ipId?: number | null;
  /** `null` for a whole packet. */
  readonly fragment?: FragmentRecord | null;
  readonly tcp?: TcpRecord | null;
  readonly mark: string;
  readonly ct: ConntrackRecord | null;
  /**
   * Of a netfilter hop: the rules met between it and the next one; `null` where they were not
   * evaluated.
   */
  readonly rules?: readonly RuleRecord[] | null;
  /** Nanoseconds since the hop before it, `null` at the first. */
  readonly sincePrevNs: number | null;
}

export interface DropRecord {
  readonly reason: string | null;
  readonly location: string | null;
  readonly hook: Hook | null;
  readonly table: string | null;
  /** Those that can have done it; `table` is named where there is only one. */
  readonly tables: readonly string[];
  readonly chain: string | null;
  readonly rule: string | null;
}

export interface PathRecord {
  readonly type: 'path';
  readonly id: string;
  readonly flow: string | null;
  /** Which way of its flow it went; absent when it belongs to none. */
  readonly direction?: Direction;
  /** Wall-clock nanoseconds since the epoch. */
  readonly start: string;
  readonly complete: boolean;
  readonly verdict: PathVerdict;
  readonly drop: DropRecord | null;
  /** Set when this is a copy or a fragment of another packet; it is not counted again. */
  readonly branch?: 'clone' | 'segment' | 'fragment';
  readonly hops: readonly HopRecord[];
}

export interface LatencyRecord {
  readonly count: string;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  /** How many lie in each doubling; absent where nobody asked for it. */
  readonly octaves?: OctavesRecord;
}

/** Values by doublings: the first count is of those from 2^`from` to 2^(`from` + 1) nanoseconds. */
export interface OctavesRecord {
  readonly from: number;
  readonly counts: readonly number[];
}

export interface LegRecord {
  readonly direction: Direction;
  readonly node: string | null;
  readonly netns: string;
  readonly dev: string | null;
  /** rtnetlink link kind, `null` for hardware. */
  readonly kind?: string | null;
  readonly stage: Stage;
  readonly hook: Hook | null;
  readonly packets: string;
  readonly bytes: string;
  /** Time since the leg before it; `null` for a first leg. */
  readonly latencyNs: LatencyRecord | null;
}

export interface EndpointRecord {
  readonly name: string | null;
  readonly kind: 'pod' | 'node' | 'service' | 'external' | null;
  readonly node: string | null;
  /** What Kubernetes says besides; each absent where it is not known. */
  readonly namespace?: string;
  /** What made a pod, such as `Deployment/nginx`. */
  readonly workload?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Set where who gave the name has not been heard of for a while. */
  readonly stale?: true;
}

export interface EncapsulationRecord {
  readonly type: EncapsulationType;
  readonly src: string;
  readonly dst: string;
  readonly vni: number | null;
  readonly overhead: number;
}

/** Packets of one direction as the kernel counted them; their difference was lost in between. */
export interface CountedRecord {
  /** At the device nearest to the source. */
  readonly source: string;
  /** At the device furthest from it; `null` where the direction is counted once only. */
  readonly destination: string | null;
}

export interface FlowRecord {
  readonly type: 'flow';
  readonly id: string;
  readonly state: string;
  /** Set where it has ended and is kept for readers. */
  readonly ended?: true;
  readonly start: string;
  readonly last: string;
  readonly original: TupleRecord;
  readonly reply: TupleRecord | null;
  readonly nat: {
    readonly dnat: { readonly dst: string; readonly dport: number | null } | null;
    readonly snat: { readonly src: string; readonly sport: number | null } | null;
  };
  readonly src: EndpointRecord;
  readonly dst: EndpointRecord;
  readonly service: string | null;
  readonly packets: { readonly original: string; readonly reply: string };
  readonly bytes: { readonly original: string; readonly reply: string };
  /** `null` where the kernel's counter has not met the flow, or one direction of it. */
  readonly counted?: {
    readonly original: CountedRecord | null;
    readonly reply: CountedRecord | null;
  } | null;
  readonly legs: readonly LegRecord[];
  readonly encapsulation: readonly EncapsulationRecord[];
  readonly mtu: FlowMtuRecord;
  /** Absent in records of older versions. */
  readonly mtuEvidence?: MtuEvidenceRecord;
  readonly drops: {
    readonly original: string;
    readonly reply: string;
    readonly reasons: Readonly<Record<string, string>>;
  };
  /** First hop to last of each direction's paths that were not dropped. */
  readonly latencyNs?: {
    readonly original: LatencyRecord | null;
    readonly reply: LatencyRecord | null;
  };
  readonly sampled: { readonly paths: string; readonly of: string };
  readonly lost: string;
  /** `null` for what is not TCP, and where no segment was traced; absent in records of older versions. */
  readonly tcp?: TcpHealthRecord | null;
  /**
   * Ids of the flow that a proxy opened this one for, and of those it opened for this
   * one: only where the proxy was seen doing so. Either may have left the table.
   */
  readonly proxied: { readonly from: string | null; readonly to: readonly string[] };
  /** What became of the newest packet. */
  readonly verdict: PathVerdict;
}
