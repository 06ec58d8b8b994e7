import type { SamplingRecord } from 'hopscope-protocol';
import { formatExact } from '../format/quantity.js';

export interface SamplingText {
  /** `every packet`, `in windows`, `1/N`. */
  readonly value: string;
  readonly help: string;
}

/** How packets are chosen for tracing, in words. */
export function samplingText(sampling: SamplingRecord): SamplingText {
  const { mode, sees, detail, traced, of, budget, cost } = sampling;
  const isWhole = mode !== 'auto' ? mode === 'all' : sees === 'all' && detail === 'all';
  const value = isWhole ? 'every packet' : mode === 'auto' ? 'in windows' : mode;
  const counted = of === null ? '' : ` of ${formatExact(of)} counted`;
  const share =
    budget === null || cost === null
      ? ''
      : `; tracing takes ${percent(cost)} of a core, and may take ${percent(budget)}`;
  const between = isWhole || mode !== 'auto' ? '' : '. Between windows, new flows are seen as well';
  const exact = of === null ? '' : '. Packets and bytes of flows are exact all the same';
  return {
    value,
    help: `${formatExact(traced)} packets seen whole${counted}${share}${between}${exact}`,
  };
}

function percent(share: number): string {
  return `${+(share * 100).toFixed(1)} %`;
}
