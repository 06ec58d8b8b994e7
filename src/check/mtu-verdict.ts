import type { MtuVerdict } from '../model/records.js';

/** What a flow's packets showed about the MTU of their way. */
export interface MtuEvidence {
  /** Smallest room for an inner IP packet among the devices passed, bytes; 0 unknown. */
  readonly pathMtu: number;
  /** Largest IP packet, bytes; of a GSO packet the size of its segments. */
  readonly largest: number;
  readonly fragmentsSeen: boolean;
  /** ICMP fragmentation needed or packet too big came back. */
  readonly icmpSeen: boolean;
  /** A packet with DF set was dropped for its size. */
  readonly tooBigDropped: boolean;
}

export function mtuVerdict(evidence: MtuEvidence): MtuVerdict {
  if (evidence.icmpSeen) {
    return 'pmtu';
  }
  if (evidence.tooBigDropped) {
    return 'blackhole';
  }
  if (evidence.fragmentsSeen) {
    return 'fragments';
  }
  if (evidence.pathMtu > 0 && evidence.largest > 0 && evidence.largest <= evidence.pathMtu) {
    return 'fits';
  }
  return 'unknown';
}
