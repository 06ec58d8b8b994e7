// @ts-check

/**
 * @typedef {object} ThroughputRow
 * @property {string} observer
 * @property {number} packetsPerSecond
 * @property {number} ratio of the medians, to nobody watching
 * @property {number} least
 * @property {number} most
 * @property {number} cpu cores used
 * @property {number} readyMs
 * @property {number} stopMs
 * @property {{ seen: number, lost: number } | null} events
 */

/**
 * Columns as wide as their widest cell: the first to the left, the others to the right.
 *
 * @param {readonly (readonly string[])[]} rows
 */
export function table(rows) {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (/** @type {readonly string[]} */ row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}

/** @param {readonly ThroughputRow[]} rows */
export function renderThroughput(rows) {
  return `${table([
    ['watched by', 'packets/s', 'ratio', 'least to most', 'cores', 'ready', 'gone', 'seen', 'lost'],
    ...rows.map((row) => [
      row.observer,
      String(row.packetsPerSecond),
      row.ratio.toFixed(2),
      `${row.least.toFixed(2)} to ${row.most.toFixed(2)}`,
      row.cpu.toFixed(2),
      `${row.readyMs} ms`,
      `${row.stopMs} ms`,
      row.events === null ? '-' : String(row.events.seen),
      row.events === null ? '-' : String(row.events.lost),
    ]),
  ])}\n`;
}

/** @param {readonly import('./joining.mjs').Joined[]} rows */
export function renderJoining(rows) {
  return table([
    ['one core joins', 'records/s', 'least to most', 'records', 'packets', 'flows'],
    ...rows.map((row) => [
      row.load,
      String(row.eventsPerSecond),
      `${row.least} to ${row.most}`,
      String(row.events),
      String(row.paths),
      String(row.flows),
    ]),
  ]);
}
