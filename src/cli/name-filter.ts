import { type FlowRecord, matchesFilter } from 'hopscope-protocol';
import { flowRow } from '../serve/flow-row.js';
import { parseNameFilter } from './options.js';

/** Whether `--filter-names` lets a flow through; absent: all. */
export function nameFilter(text: string | undefined): (flow: FlowRecord) => boolean {
  if (text === undefined) return () => true;
  const filter = parseNameFilter(text);
  // Its age is that at its newest packet, whenever it is shown.
  return (flow) => matchesFilter(flowRow(flow), filter, Number(flow.last));
}
