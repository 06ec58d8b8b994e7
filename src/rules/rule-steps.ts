import type { Step } from './model.js';

export function lastMatch(steps: readonly Step[], from: number): number {
  let last = from;
  while (steps[last + 1]?.kind === 'match') last += 1;
  return last;
}

/** xt_connmark, and the same of nft: the bits of one mark that are asked for, into those of another. */
export function merged(into: number, from: number, mask: number, toMask: number): number {
  return ((into & ~toMask) ^ (from & mask)) >>> 0;
}
