import { UsageError } from '../model/errors.js';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
/** Longest time setTimeout can wait, ms. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * A time such as `250ms`, `10s`, `1.5m`, `2h`, in milliseconds.
 *
 * @throws UsageError
 */
export function parseDuration(option: string, text: string): number {
  const [, digits, unit] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(digits) * (UNIT_MS[unit ?? ''] ?? Number.NaN);
  if (!(ms > 0 && ms <= LONGEST_MS)) {
    throw new UsageError('LAB_USAGE', `${option} is a time such as 10s or 2m; not ${text}`);
  }
  return ms;
}
