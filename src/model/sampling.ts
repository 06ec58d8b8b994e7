import type { SamplingRecord } from 'hopscope-protocol';

/** Which packets are traced. Drops always are. */
export type Sampling =
  /** Every packet. */
  | { readonly mode: 'all' }
  /** Every packet while that costs no more than `budget`, a share of one core; else windows. */
  | { readonly mode: 'auto'; readonly budget: number }
  /** One packet in `oneIn`, chosen in the kernel. */
  | { readonly mode: 'one-in'; readonly oneIn: number };

/** Share of one core that tracing may cost unless it is said otherwise. */
export const DEFAULT_BUDGET = 0.05;

export const SAMPLE_ALL: Sampling = { mode: 'all' };

/** As `--sample` has it. */
export function samplingName(sampling: Sampling): SamplingRecord['mode'] {
  return sampling.mode === 'one-in' ? `1/${sampling.oneIn}` : sampling.mode;
}
