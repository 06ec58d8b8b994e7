import type { RowVerdict } from 'hopscope-protocol';
import type { Tone } from './column.js';

export const VERDICT_TONE: Readonly<Record<RowVerdict, Tone>> = {
  delivered: 'good',
  forwarded: 'good',
  lossy: 'warn',
  dropped: 'bad',
  unknown: 'dim',
};

/** Shape as well as colour, for those who do not see the difference. */
export const VERDICT_SIGN: Readonly<Record<RowVerdict, string>> = {
  delivered: '●',
  forwarded: '◐',
  lossy: '▲',
  dropped: '✕',
  unknown: '○',
};
