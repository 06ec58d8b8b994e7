/** What the flow table could not keep or place, one number for each cause. */
export interface FlowCounters {
  /** Flows removed before their time: the table had its number of flows, or its bytes. */
  evicted: number;
  /** Ended flows not kept as long as they might have been: there had to be room. */
  endedEvicted: number;
  /** Flows that ended by age. */
  expired: number;
  /** Flows found to be part of another, which took over all of theirs. Nothing is lost. */
  merged: number;
  /** Paths that could not be put to any flow (neighbour talk and what could not be read). */
  unassigned: number;
  /** Tuples by which a flow with KEY_LIMIT of them cannot be found. */
  keysRefused: number;
  /** Hops at places past LEG_LIMIT of their direction. */
  legsRefused: number;
  /** Tunnels past ENCAPSULATION_LIMIT of their flow. */
  encapsulationsRefused: number;
  /** Drops whose reason is past REASON_LIMIT of their flow. */
  reasonsRefused: number;
  /** ICMP errors and refusals past ERRORS_LIMIT and REFUSALS_LIMIT of their flow. */
  evidenceRefused: number;
  /** Connections that a proxy opened, past PROXIED_LIMIT of their flow: the oldest is forgotten. */
  proxiedRefused: number;
  /** Counts of the kernel at devices past POINT_LIMIT. */
  pointsRefused: number;
  /** Counts of connections that were over before the table first heard of them. */
  countsStale: number;
}

export function zeroCounters(): FlowCounters {
  return {
    evicted: 0,
    endedEvicted: 0,
    expired: 0,
    merged: 0,
    unassigned: 0,
    keysRefused: 0,
    legsRefused: 0,
    encapsulationsRefused: 0,
    reasonsRefused: 0,
    evidenceRefused: 0,
    proxiedRefused: 0,
    pointsRefused: 0,
    countsStale: 0,
  };
}
