import type { FlowTable } from './flow/flow-table.js';
import type { PathJoiner } from './join/path-joiner.js';
import type { RuleCounters } from './rules/rule-counters.js';
import type { RecordQueue } from './wire/record-queue.js';

/** What the stages could not keep, so far: one entry a cause, for what is lost is not one thing. */
export interface StageLosses {
  /** Pushed out of a table, or refused by a full one. */
  readonly evictions: Readonly<Record<string, number>>;
  /** Nothing of these was pushed out of a table, so they are in no sum. */
  readonly others: Readonly<Record<string, number>>;
}

export function lossesOf(
  joiner: PathJoiner,
  flows: FlowTable,
  queue: RecordQueue,
  rules: RuleCounters,
): StageLosses {
  return {
    evictions: {
      'paths-evicted': joiner.counters.evicted,
      'hops-cut': joiner.counters.hopsCut,
      'gso-packets-refused': joiner.gsoPacketsRefused,
      'hops-malformed': joiner.counters.hopsMalformed,
      'devices-evicted': joiner.devices.evicted,
      'tuples-refused': joiner.tuples.refused,
      'proxyLinker-forgotten': joiner.proxyLinker.forgotten,
      'flows-evicted': flows.counters.evicted,
      'flow-keys-refused': flows.counters.keysRefused,
      'flow-legs-refused': flows.counters.legsRefused,
      'flow-encapsulations-refused': flows.counters.encapsulationsRefused,
      'flow-reasons-refused': flows.counters.reasonsRefused,
      'flow-evidence-refused': flows.counters.evidenceRefused,
      'flow-links-refused': flows.counters.proxiedRefused,
      'count-places-refused': flows.counters.pointsRefused,
    },
    others: {
      'records-out-of-order': queue.hurried,
      'counts-stale': flows.counters.countsStale,
      'count-checks-refused': flows.countsUnwatched,
      'histories-evicted': flows.historiesEvicted,
      'ended-flows-evicted': flows.counters.endedEvicted,
      'places-forgotten': joiner.places.cleared,
      ...rules.losses(),
    },
  };
}
