import type { FaultRecord } from './fault-record.js';

/** What `hopscope mtu` reports besides faults: add to it, never rename in it. */

/** What limits a way at one place. */
export interface WayLimitRecord {
  readonly netns: string;
  readonly dev: string;
  /** rtnetlink link kind, `null` for hardware. */
  readonly kind: string | null;
  readonly by: 'device' | 'route' | 'peer' | 'port' | 'below';
  /** Bytes of the largest IP packet of the pod that passes whole. */
  readonly room: number;
  /** Names of the tunnels that it is inside of here. */
  readonly tunnels: readonly string[];
}

/** A pod's device, a route of its node, and what fits between. */
export interface WayRecord {
  readonly type: 'way';
  readonly netns: string;
  readonly dev: string;
  /** As iproute2 writes it. */
  readonly route: string;
  /** The address of it that was followed. */
  readonly towards: string;
  readonly mtu: number;
  /** Bytes of the largest packet that the pod sends there; what is above `mtu` does not fit. */
  readonly sent: number;
  readonly setBy: WayLimitRecord;
  readonly hops: readonly WayLimitRecord[];
  readonly end: 'delivered' | 'leaves' | 'refused' | 'unknown';
}

/** What the same traffic would take with other headers or another MTU, computed from what was seen. */
export interface CostAlternativeRecord {
  /** `none`, `ipip`, `vxlan`, `wireguard`, or `jumbo`: an MTU of 9000 on the wire. */
  readonly what: 'none' | 'ipip' | 'vxlan' | 'wireguard' | 'jumbo';
  readonly wire: string;
  /** Less than now, bytes; negative where it would take more. */
  readonly saved: string;
  /** The same of what it takes now. */
  readonly percent: number;
}

/** As people call them. */
export const COST_ALTERNATIVES: Readonly<Record<CostAlternativeRecord['what'], string>> = {
  none: 'no tunnel',
  ipip: 'IPIP',
  vxlan: 'VXLAN',
  wireguard: 'WireGuard',
  jumbo: 'MTU 9000',
};

/** What encapsulation costs traffic between nodes. Bytes are decimal strings. */
export interface CostRecord {
  readonly type: 'cost';
  /** What was put together: all flows with one encapsulation, between two nodes, or one flow. */
  readonly by: 'encapsulation' | 'nodes' | 'flow';
  /** `vxlan+50` and the like, or `none`. */
  readonly encapsulation: string;
  /** Node pairs and flows. */
  readonly nodes: readonly [string, string] | null;
  readonly flow: string | null;
  readonly flows: number;
  /** Packets on the wire: of a GSO packet its segments, by the size of one. */
  readonly packets: string;
  /** Bytes of the packets without their IP and TCP or UDP headers, options counted as payload. */
  readonly payload: string;
  /** Bytes on the wire: with headers, those of the tunnel, and Ethernet. */
  readonly wire: string;
  /** Bytes on the wire a byte of payload; null without payload. */
  readonly ratio: number | null;
  /** Bytes of the tunnel's headers. */
  readonly overhead: string;
  readonly alternatives: readonly CostAlternativeRecord[];
}

/** What a daemon knows of encapsulation and MTUs, all in all. */
export interface MtuReport {
  readonly type: 'mtu';
  readonly faults: readonly FaultRecord[];
  readonly costs: readonly CostRecord[];
  /** Of the newest audit; empty before the first, and where namespaces cannot be read. */
  readonly ways: readonly WayRecord[];
  /** Whether devices and routes were audited: packets alone are judged where not. */
  readonly isAudited: boolean;
  /** Flows that were looked at. */
  readonly flows: number;
  /** Faults, ways and flows past the limits. */
  readonly leftOut: number;
}
