import { COST_ALTERNATIVES, type CostAlternativeRecord, type CostRecord } from 'hopscope-protocol';
import { alignedTable } from './text-table.js';

/** Node pairs in the text; JSON has them all. */
const ROWS = 16;

/** What encapsulation costs, a line for each kind and each pair of nodes. */
export function renderCosts(costs: readonly CostRecord[]): string[] {
  const shown = costs.filter(({ by }) => by !== 'flow').slice(0, ROWS);
  if (shown.length === 0) return [];
  return [
    'bytes on the wire a byte of payload, between nodes, of what was seen; and what would be saved',
    ...alignedTable([
      ['encapsulation', 'nodes', 'flows', 'payload', 'wire', 'ratio', 'with another one'],
      ...shown.map((cost) => [
        cost.encapsulation,
        cost.nodes === null ? 'all' : cost.nodes.join(' ↔ '),
        `${cost.flows}`,
        cost.payload,
        cost.wire,
        cost.ratio === null ? '–' : cost.ratio.toFixed(3),
        cost.alternatives.map(alternativeText).join(', '),
      ]),
    ]).map((line) => `    ${line}`),
  ];
}

function alternativeText({ what, percent }: CostAlternativeRecord): string {
  return `${COST_ALTERNATIVES[what]} ${percent > 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`;
}
