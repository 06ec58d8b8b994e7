import { type FlowRow, matchesFilter, parseFilter } from 'hopscope-protocol';
import type { Flow } from '../flow/flow.js';
import type { FlowTable } from '../flow/flow-table.js';
import type { Names } from '../name/names.js';
import { rowOfFlow } from './row-reader.js';

export interface ScannedFlows {
  readonly flows: FlowTable;
  readonly names: Names;
  readonly epochNs: bigint;
}

/** A flow's row where that matches the filter now. What cannot be read of the filter is left out. */
export function flowMatch(from: ScannedFlows, filter: string): (flow: Flow) => FlowRow | null {
  const { flows, names, epochNs } = from;
  const parsed = parseFilter(filter);
  const now = epochNs + BigInt(Math.round(flows.newest?.last ?? 0));
  const wall = Number(names.wallClock(now));
  return (flow) => {
    const row = rowOfFlow(flow, names, epochNs);
    return matchesFilter(row, parsed, wall) ? row : null;
  };
}
