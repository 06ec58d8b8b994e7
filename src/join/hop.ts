import type { Conntrack } from './conntrack.js';
import type { Device } from './device-table.js';
import type { Headers } from './headers.js';
import type { LinkAddresses } from './link-addresses.js';
import type { Outer } from './outer.js';
import type { Place } from './place.js';
import type { Tuple } from './tuple.js';

/** What the kernel says of a drop. */
export interface Drop {
  /** enum skb_drop_reason */
  readonly reason: number;
  /** Return address of the caller of kfree_skb, whole; 0 when unknown. */
  readonly location: bigint;
}

/** One observation of one packet, for a reader. Times are nanoseconds since the source's epoch. */
export class Hop {
  readonly place: Place;
  readonly headers: Headers;
  /** null where the packet had no entry. */
  readonly ct: Conntrack | null;
  readonly time: number;
  readonly len: number;
  /** MTU of the device at that moment; 0 where no device is known. */
  readonly mtu: number;
  readonly mark: number;
  /** -1 where it is not known. */
  readonly ttl: number;
  readonly drop: Drop | null;
  /** Of the innermost packet; -1 without one. */
  readonly ipId: number;

  constructor(
    place: Place,
    headers: Headers,
    ct: Conntrack | null,
    time: number,
    len: number,
    mtu: number,
    mark: number,
    ttl: number,
    drop: Drop | null,
    ipId: number,
  ) {
    this.place = place;
    this.headers = headers;
    this.ct = ct;
    this.time = time;
    this.len = len;
    this.mtu = mtu;
    this.mark = mark;
    this.ttl = ttl;
    this.drop = drop;
    this.ipId = ipId;
  }

  get device(): Device {
    return this.place.device;
  }

  /** STAGE_* of wire/layout.gen.ts. */
  get stage(): number {
    return this.place.stage;
  }

  /** enum nf_inet_hooks, or NO_HOOK. */
  get hook(): number {
    return this.place.hook;
  }

  get priority(): number {
    return this.place.priority;
  }

  get tuple(): Tuple | null {
    return this.headers.tuple;
  }

  get outer(): Outer | null {
    return this.headers.outer;
  }

  /** Only a device sees the link header, and not every one has it. */
  get mac(): LinkAddresses | null {
    return this.place.isDevice && this.device.hasLinkHeader ? this.headers.mac : null;
  }

  get ipLength(): number {
    return this.headers.ipLength;
  }

  get tcpFlags(): number {
    return this.headers.tcpFlags;
  }

  get gsoSize(): number {
    return this.headers.gsoSize;
  }

  get gsoSegs(): number {
    return this.headers.gsoSegs;
  }

  get vlanId(): number {
    return this.headers.vlanId;
  }

  get vlanProto(): number {
    return this.headers.vlanProto;
  }

  get fragmentOffset(): number {
    return this.headers.fragmentOffset;
  }

  get moreFragments(): boolean {
    return this.headers.moreFragments;
  }

  /** Drops only: enum skb_drop_reason and the address that dropped. */
  get reason(): number {
    return this.drop?.reason ?? 0;
  }

  get location(): bigint {
    return this.drop?.location ?? 0n;
  }
}
