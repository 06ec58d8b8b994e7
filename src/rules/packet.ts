import type { Family } from '../network/ip-address.js';
import type { Address, AddressRange } from './address.js';
import type { IpSet } from './ip-set.js';

/** NF_IP_PRI_CONNTRACK: tables before it see packets that are not tracked yet. */
export const CONNTRACK_PRIORITY = -200;

export type ConnectionState = 'new' | 'established' | 'related' | 'invalid' | 'untracked';

/** What connection tracking says of a packet; null for what is not known. */
export interface Tracked {
  readonly state: ConnectionState | null;
  readonly isReply: boolean | null;
  /** Whether the source or destination of the connection is translated. */
  readonly isSnat: boolean | null;
  readonly isDnat: boolean | null;
  /** Whether nat has decided for this connection, so that its rules are not asked. */
  readonly isNatSettled: boolean | null;
  /** The connection as its first packet had it. */
  readonly original: Endpoints | null;
  readonly reply: Endpoints | null;
}

export interface Endpoints {
  readonly src: Address;
  readonly dst: Address;
  readonly sport: number | null;
  readonly dport: number | null;
}

/** A packet as it comes to a table; what of it is not known is null. */
export interface Packet extends Endpoints {
  readonly family: Family;
  readonly protocol: number;
  readonly icmp: { readonly type: number; readonly code: number } | null;
  /** Bits of the TCP header's flags, FIN the lowest. */
  readonly tcpFlags: number | null;
  /** Bytes of the IP packet. */
  readonly length: number | null;
  readonly ttl: number | null;
  /** Whether it is a fragment after the first, which has no ports. */
  readonly isLaterFragment: boolean;
  /** Names of devices; empty for none. */
  readonly incoming: string | null;
  readonly outgoing: string | null;
  readonly mark: number;
  /** Mark of its connection; null where it is not known. */
  readonly connectionMark: number | null;
  /** Null for one that connection tracking does not know. */
  readonly tracked: Tracked | null;
  /** Whether it has its entry since the hook that it is in, and not from before. */
  readonly isTrackedHere: boolean;
}

/** Addresses of a device. */
export interface LocalRange extends AddressRange {
  readonly device: string | null;
}

/** What of a namespace rules ask for besides the packet. */
export interface Surroundings {
  /** Addresses that packets are delivered for; null where they were not read. */
  readonly local: readonly LocalRange[] | null;
  readonly broadcast: readonly LocalRange[];
  readonly sets: ReadonlyMap<string, IpSet>;
}
