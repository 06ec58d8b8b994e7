import type { Device } from './device-table.js';
import type { Tuple } from './tuple.js';

/** Link-layer addresses, as text because they seldom change within a path. */
export interface LinkAddresses {
  readonly srcHi: number;
  readonly srcLo: number;
  readonly dstHi: number;
  readonly dstLo: number;
}

export interface Outer {
  /** OUTER_* of packet/decoded-packet.ts. */
  readonly type: number;
  readonly src: string;
  readonly dst: string;
  readonly sport: number;
  readonly dport: number;
  readonly vni: number;
  readonly overhead: number;
  /** The low words of both addresses and a fold of the rest: tells two apart without text. */
  readonly srcLow: number;
  readonly dstLow: number;
  readonly key: number;
}

/** A conntrack entry as it was at one hop. */
export interface Conntrack {
  /** enum ip_conntrack_info (include/uapi/linux/netfilter/nf_conntrack_common.h). */
  readonly info: number;
  readonly status: number;
  readonly zone: number;
  readonly address: number;
  readonly original: Tuple | null;
  readonly reply: Tuple | null;
}

/** What few hops have; the others share one object, for hops are what memory is full of. */
export interface RareFields {
  readonly gsoSize: number;
  readonly gsoSegs: number;
  readonly vlanId: number;
  readonly vlanProto: number;
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
  readonly reason: number;
  readonly location: bigint;
}

export const NOTHING_RARE: RareFields = {
  gsoSize: 0,
  gsoSegs: 0,
  vlanId: -1,
  vlanProto: 0,
  fragmentOffset: -1,
  moreFragments: false,
  reason: 0,
  location: 0n,
};

/** One observation of one packet. Times are nanoseconds since the source's epoch. */
export class Hop {
  time = 0;
  device: Device;
  /** STAGE_* of wire/layout.gen.ts. */
  stage = 0;
  /** enum nf_inet_hooks, or 255. */
  hook = 255;
  priority = 0;
  len = 0;
  /** Bytes of the innermost IP packet that is readable here, else where it last was. */
  ipLength = 0;
  /** MTU of the device at that moment. */
  mtu = 0;
  mark = 0;
  ttl = -1;
  ipId = -1;
  /** Of the TCP header that is readable here, else as it last was; -1 without one. */
  tcpFlags = -1;
  tuple: Tuple | null = null;
  mac: LinkAddresses | null = null;
  outer: Outer | null = null;
  ct: Conntrack | null = null;
  rare: RareFields = NOTHING_RARE;

  constructor(device: Device) {
    this.device = device;
  }

  get gsoSize(): number {
    return this.rare.gsoSize;
  }

  get gsoSegs(): number {
    return this.rare.gsoSegs;
  }

  /** -1 without a tag. */
  get vlanId(): number {
    return this.rare.vlanId;
  }

  get vlanProto(): number {
    return this.rare.vlanProto;
  }

  /** Bytes of the innermost packet before this piece of it; -1 for a whole one. */
  get fragmentOffset(): number {
    return this.rare.fragmentOffset;
  }

  get moreFragments(): boolean {
    return this.rare.moreFragments;
  }

  /** Drops only: enum skb_drop_reason and the address that dropped. */
  get reason(): number {
    return this.rare.reason;
  }

  get location(): bigint {
    return this.rare.location;
  }
}

/** What conntrack says of the packet itself: inside a tunnel its entry is the tunnel's. */
export function ownConntrack(hop: Hop): Conntrack | null {
  return hop.outer === null ? hop.ct : null;
}
