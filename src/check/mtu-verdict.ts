import type { MtuVerdict } from 'hopscope-protocol';

/** What a flow's packets showed about the MTU of their way. */
export interface MtuSeen {
  /** Smallest room for an inner IP packet among the devices passed, bytes; 0 unknown. */
  readonly pathMtu: number;
  /** Largest IP packet, bytes; of a GSO packet the size of its segments. */
  readonly largest: number;
  readonly fragmentsSeen: boolean;
  /** ICMP fragmentation needed or packet too big came back. */
  readonly icmpTooBigSeen: boolean;
  /** Packets vanished for their size, and their sender was not notified. */
  readonly blackholeSeen: boolean;
}

export function mtuVerdict(seen: MtuSeen): MtuVerdict {
  if (seen.blackholeSeen) {
    return 'blackhole';
  }
  if (seen.icmpTooBigSeen) {
    return 'pmtu';
  }
  if (seen.fragmentsSeen) {
    return 'fragments';
  }
  if (seen.pathMtu > 0 && seen.largest > 0 && seen.largest <= seen.pathMtu) {
    return 'fits';
  }
  return 'unknown';
}
