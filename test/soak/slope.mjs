// @ts-check

/**
 * @typedef {object} Sample
 * @property {number} at seconds
 * @property {number} value
 */

/**
 * The slope of the robust line of Theil and Sen, a second: the median of the slopes of all
 * pairs. Up to 29 % of the samples may be anything without moving it.
 *
 * @param {readonly Sample[]} samples
 * @returns {number} NaN for fewer than two
 */
export function slope(samples) {
  /** @type {number[]} */
  const slopes = [];
  for (let i = 0; i < samples.length; i++) {
    for (let j = i + 1; j < samples.length; j++) {
      const [a, b] = [samples[i], samples[j]];
      if (a !== undefined && b !== undefined && a.at !== b.at) {
        slopes.push((b.value - a.value) / (b.at - a.at));
      }
    }
  }
  return median(slopes);
}

/** @param {number[]} values */
function median(values) {
  values.sort((a, b) => a - b);
  const middle = values.length >> 1;
  const upper = values[middle] ?? Number.NaN;
  return values.length % 2 === 1 ? upper : ((values[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Of normal noise the median distance from the middle is so much of its deviation. */
const MAD_TO_DEVIATION = 1.4826;
/** Samples that follow one another are alike: so many count as one. */
const ALIKE = 3;
/** Deviations of the slope of mere noise that are not yet a slope. */
const DEVIATIONS = 3;

/**
 * By how much the slope of samples that only vary differs from zero, an hour: the error of a
 * line's slope, σ·√(12/n)/T. The longer the run, the smaller a leak it shows.
 *
 * @param {readonly Sample[]} samples
 */
function uncertainty(samples) {
  const line = slope(samples);
  const rest = samples.map(({ at, value }) => value - line * at);
  const middle = median([...rest]);
  const deviation = MAD_TO_DEVIATION * median(rest.map((each) => Math.abs(each - middle)));
  const seconds = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
  const error = (deviation * Math.sqrt((12 * ALIKE) / samples.length)) / seconds;
  return DEVIATIONS * error * 3600;
}

/**
 * @typedef {object} Verdict
 * @property {string} name
 * @property {number} first median of the first tenth after the warm-up
 * @property {number} last median of the last tenth
 * @property {number} anHour growth of the line
 * @property {number} noise growth an hour that may be mere noise
 * @property {number} limit growth an hour that is allowed besides
 * @property {boolean} holds
 */

/**
 * @param {string} name
 * @param {readonly Sample[]} samples after the warm-up
 * @param {number} limit an hour
 * @returns {Verdict}
 */
export function judge(name, samples, limit) {
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  /** @param {readonly Sample[]} some */
  const middle = (some) => median(some.map(({ value }) => value));
  const anHour = slope(samples) * 3600;
  const noise = uncertainty(samples);
  return {
    name,
    first: middle(samples.slice(0, tenth)),
    last: middle(samples.slice(-tenth)),
    anHour,
    noise,
    limit,
    // A slope that is not a number is no slope that holds.
    holds: anHour <= limit + noise,
  };
}
