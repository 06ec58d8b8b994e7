// @ts-check

/**
 * Middle value, or the mean of the two in the middle.
 *
 * @param {readonly number[]} values at least one
 */
export function median(values) {
  if (values.length === 0) throw new RangeError('the median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * A measure against its base, both taken round by round in one run: the ratio of the
 * medians, and how far single rounds are from it.
 *
 * @param {readonly number[]} values
 * @param {readonly number[]} base of the same rounds
 */
export function ratioOfMedians(values, base) {
  const each = values.map((value, round) => value / (base[round] ?? Number.NaN));
  return {
    ratio: median(values) / median(base),
    least: Math.min(...each),
    most: Math.max(...each),
  };
}

/**
 * The same list, beginning elsewhere in every round, so that nobody always runs first.
 *
 * @template T
 * @param {readonly T[]} list
 * @param {number} round
 */
export function rotated(list, round) {
  const start = list.length === 0 ? 0 : round % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/**
 * The median of those that are known; null when none is.
 *
 * @param {readonly (number | null)[]} values
 */
export function medianOrNull(values) {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : median(known);
}

/**
 * The smallest value that at least `share` of all do not exceed (nearest rank).
 *
 * @param {readonly number[]} values at least one
 * @param {number} share above 0, at most 1
 */
export function percentile(values, share) {
  if (values.length === 0) throw new RangeError('a percentile of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}
