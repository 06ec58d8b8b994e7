import { type FlowRecord, matchesFilter } from 'hopscope-protocol';
import { flowRow } from '../serve/flow-row.js';
import { parseNameFilter } from './options.js';

/** Whether `--filter-names` lets a flow through; absent: all. */
export function nameFilter(text: string | undefined): (flow: FlowRecord) => boolean {
  if (text === undefined) return () => true;
  const terms = parseNameFilter(text);
  return (flow) => matchesFilter(flowRow(flow), terms);
}
