import type { LinkAddresses } from './link-addresses.js';
import type { Outer } from './outer.js';
import type { Tuple } from './tuple.js';

/**
 * What a packet's headers said, from the hop where they changed to the hop before the next
 * change: those hops share one object, which is not altered.
 */
export interface Headers {
  readonly tuple: Tuple | null;
  readonly outer: Outer | null;
  /** Of the newest frame seen; a netfilter hook sees no frame and shows none. */
  readonly mac: LinkAddresses | null;
  /** Bytes of the innermost IP packet that is readable here, else where it last was. */
  readonly ipLength: number;
  readonly ipId: number;
  /** Of the innermost packet where the headers were read; -1 without one. */
  readonly ttl: number;
  /** Whether the kernel's TTL of a hop is that of the innermost packet: nothing is around it. */
  readonly isPlain: boolean;
  /** Of the TCP header that is readable here, else as it last was; -1 without one. */
  readonly tcpFlags: number;
  /** Payload of one segment of a GSO packet, bytes; 0 for any other packet. */
  readonly gsoSize: number;
  readonly gsoSegs: number;
  /** -1 without a tag. */
  readonly vlanId: number;
  readonly vlanProto: number;
  /** Bytes of the innermost packet before this fragment of it; -1 for a whole one. */
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
}
