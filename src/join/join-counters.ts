/** What came in, and what became of it: each hop is in one path, or in one counter. */
export interface JoinCounters {
  /** Hops that came in. */
  hops: number;
  /** Records of other kinds that came in. */
  events: number;
  /** Paths finished. */
  paths: number;
  /** Trails that came in. */
  trails: number;
  /** Paths closed early because too many were open. */
  evicted: number;
  /** Hops refused because their path had too many. */
  hopsCut: number;
  /** Hops of what was no hop of a packet: the release of a fragment or of a clone. */
  hopsReleased: number;
  /** Clones that a socket did not want, while the packet itself went on. */
  copiesRefused: number;
  /** Paths that a window of the source cut off, at their beginning or their end. */
  cutByWindow: number;
  /** Hops that a trail announced and that could not be read, or that nothing is known of. */
  hopsMalformed: number;
  /** Drops that a delivery proved to be none. */
  hopsUndone: number;
  /** Deliver hops of a packet that had one. */
  hopsRepeated: number;
  /** Deliver hops of a packet that no socket can have taken where it was. */
  hopsRefused: number;
  /** Own hops of paths that the filter did not want. */
  hopsFiltered: number;
  /** Own hops of paths given out: with those above and those of open paths, all that came in. */
  hopsFinished: number;
  /** Deliver hops made of records that are no trails: they did not come in as hops. */
  hopsRead: number;
  /** Snapshots whose headers were malformed, by what was wrong (packet/packet-error.ts). */
  readonly malformed: Map<number, number>;
}

export function noJoinCounters(): JoinCounters {
  return {
    hops: 0,
    events: 0,
    paths: 0,
    trails: 0,
    evicted: 0,
    hopsCut: 0,
    hopsReleased: 0,
    copiesRefused: 0,
    cutByWindow: 0,
    hopsMalformed: 0,
    hopsUndone: 0,
    hopsRepeated: 0,
    hopsRefused: 0,
    hopsFiltered: 0,
    hopsFinished: 0,
    hopsRead: 0,
    malformed: new Map(),
  };
}
