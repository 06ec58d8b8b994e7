import type { CostRecord, FaultRecord, FlowRecord } from 'hopscope-protocol';
import { EncapsulationCost } from './encapsulation-cost.js';
import { HitFlows } from './hit-flows.js';
import { type NamespaceByName, SeenFaults } from './seen-faults.js';

const ORDER = { error: 0, warning: 1, note: 2 } as const;

export interface LiveReport {
  /** Errors first. */
  readonly faults: readonly FaultRecord[];
  readonly costs: readonly CostRecord[];
  /** Places and node pairs past a limit. */
  readonly leftOut: number;
}

/**
 * Puts what flows showed to what the configuration says: which flows each fault hits, faults that
 * only packets show, and what encapsulation costs.
 */
export function liveReport(
  configured: readonly FaultRecord[],
  flows: Iterable<FlowRecord>,
  namespace: NamespaceByName,
): LiveReport {
  const seen = new SeenFaults(namespace);
  const hit = new HitFlows();
  const cost = new EncapsulationCost();
  for (const flow of flows) {
    seen.add(flow);
    hit.add(flow);
    cost.add(flow);
  }
  const faults = configured.map((fault) => hit.of(fault));
  for (const fault of seen.records()) {
    // The rule that does it is known: what was seen is one more sign of it.
    const known = faults.findIndex(({ id, netns }) => id === fault.id && netns === fault.netns);
    if (known < 0) faults.push(fault);
    else faults[known] = together(faults[known] as FaultRecord, fault);
  }
  return {
    faults: faults.sort((a, b) => ORDER[a.severity] - ORDER[b.severity]),
    costs: cost.records(),
    leftOut: seen.leftOut + cost.leftOut,
  };
}

function together(configured: FaultRecord, { flows, flowIds = [] }: FaultRecord): FaultRecord {
  const { evidence } = configured;
  const ids = new Set([...(configured.flowIds ?? []), ...flowIds]);
  return {
    ...configured,
    severity: 'error',
    evidence: evidence.includes('seen') ? evidence : [...evidence, 'seen'],
    flows: Math.max(flows ?? 0, configured.flows ?? 0, ids.size),
    flowIds: [...ids],
  };
}
