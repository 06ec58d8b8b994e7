// @ts-check

/**
 * @typedef {object} Metric one line of a Prometheus page
 * @property {string} name
 * @property {Readonly<Record<string, string>>} labels
 * @property {number} value
 */

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)(?: \d+)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/**
 * A page in the text exposition format 0.0.4; lines of another form are left out.
 *
 * @param {string} page
 * @returns {readonly Metric[]}
 */
export function parseMetrics(page) {
  return page.split('\n').flatMap((line) => {
    const match = LINE.exec(line);
    if (match === null) return [];
    const [, name = '', labels = '', value = ''] = match;
    const pairs = [...labels.matchAll(LABEL)].map(([, key = '', text = '']) => [
      key,
      text.replace(/\\(.)/g, (_, char) => (char === 'n' ? '\n' : char)),
    ]);
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }];
  });
}

/**
 * A counter over all its labels; null when the page has none of it.
 *
 * @param {readonly Metric[]} metrics
 * @param {string} name
 * @returns {number | null}
 */
export function total(metrics, name) {
  const found = metrics.filter((metric) => metric.name === name);
  return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
}

/**
 * A counter by one of its labels; empty when the page has none of it.
 *
 * @param {readonly Metric[]} metrics
 * @param {string} name
 * @param {string} label
 * @returns {Readonly<Record<string, number>>}
 */
export function byLabel(metrics, name, label) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const metric of metrics) {
    const value = metric.labels[label];
    if (metric.name !== name || value === undefined) continue;
    sums[value] = (sums[value] ?? 0) + metric.value;
  }
  return sums;
}

/**
 * What a load cost a daemon, from its counters before and after.
 *
 * @typedef {object} Counted
 * @property {number | null} events
 * @property {number | null} lost
 * @property {Readonly<Record<string, number>>} lostByCause causes that lost something
 * @property {number | null} records kernel records, where the daemon counts them
 * @property {number | null} recordBytes
 *
 * @param {readonly Metric[]} before
 * @param {readonly Metric[]} after
 * @returns {Counted}
 */
export function counted(before, after) {
  const grown = (/** @type {string} */ name) => {
    const [from, to] = [total(before, name), total(after, name)];
    return to === null ? null : to - (from ?? 0);
  };
  const was = byLabel(before, 'hopscope_lost_total', 'cause');
  const causes = Object.entries(byLabel(after, 'hopscope_lost_total', 'cause'))
    .map(([cause, value]) => /** @type {const} */ ([cause, value - (was[cause] ?? 0)]))
    .filter(([, value]) => value !== 0);
  return {
    events: grown('hopscope_events_total'),
    lost: grown('hopscope_events_lost_total'),
    lostByCause: Object.fromEntries(causes),
    records: grown('hopscope_records_total'),
    recordBytes: grown('hopscope_record_bytes_total'),
  };
}
