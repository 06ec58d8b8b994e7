// @ts-check
import { KIND_NAMES } from './loads.mjs';

/**
 * @typedef {import('./load-part.mjs').LoadResult} LoadResult
 * @typedef {import('./load-part.mjs').LoadRow} LoadRow
 * @typedef {import('./run.mjs').BenchResult} BenchResult
 */

const NOT_KNOWN = '–';

/**
 * A table in markdown: words to the left, numbers to the right, and columns as wide as
 * their widest cell, so that it can be read as it is too.
 *
 * @param {readonly (readonly string[])[]} rows with at least a heading
 * @param {number} [words] the first columns, which hold words
 */
export function table(rows, words = 1) {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (/** @type {readonly string[]} */ row) =>
    `| ${widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return column < words ? cell.padEnd(width) : cell.padStart(width);
      })
      .join(' | ')} |`;
  const rule = `| ${widths
    .map((width, column) => (column < words ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
    .join(' | ')} |`;
  const [heading = [], ...body] = rows;
  return `${[line(heading), rule, ...body.map(line)].join('\n')}\n`;
}

/** @param {number | null} value @param {number} [digits] */
function figure(value, digits = 0) {
  return value === null || !Number.isFinite(value)
    ? NOT_KNOWN
    : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** @param {number | null} ns */
function micros(ns) {
  return figure(ns === null ? null : ns / 1000, 1);
}

/** @param {number} bytes */
function mebibytes(bytes) {
  return figure(bytes / 2 ** 20);
}

/** @param {LoadResult} result */
function loadTitle({ load, way }) {
  return `${KIND_NAMES[load.kind]}, ${way}, ${load.flows === 1 ? '1 flow' : `${figure(load.flows)} flows`}`;
}

/**
 * Which part of a load goes through, one line an observer.
 *
 * @param {readonly LoadResult[]} results
 */
export function renderRatios(results) {
  return table(
    [
      ['load', 'watched by', 'rate', 'ratio', 'least to most', 'p50 µs', 'p99 µs', 'cores'],
      ...results.flatMap((result) =>
        result.rows.map((row, index) => [
          index === 0 ? loadTitle(result) : '',
          row.observer,
          `${figure(row.rate)} ${row.unit}`,
          row.ratio.toFixed(2),
          `${row.least.toFixed(2)} to ${row.most.toFixed(2)}`,
          micros(row.p50Ns),
          micros(row.p99Ns),
          row.cores.toFixed(2),
        ]),
      ),
    ],
    2,
  );
}

/**
 * What those who count have seen of each load.
 *
 * @param {readonly LoadResult[]} results
 */
export function renderDaemon(results) {
  return table(
    [
      [
        ...[
          'load',
          'watched by',
          'exact',
          'most off',
          'whole paths/s',
          'events',
          'lost',
          'lost by cause',
        ],
        'CPU s / million packets',
      ],
      ...results.flatMap((result) =>
        result.rows
          .filter(({ rounds }) => rounds.some(({ counted }) => counted !== null))
          .map((row) => [
            loadTitle(result),
            row.observer,
            row.exact === null
              ? NOT_KNOWN
              : `${row.exact.rounds === row.exact.of ? 'yes' : 'no'}, ${row.exact.rounds} of ${row.exact.of}`,
            row.exact === null ? NOT_KNOWN : `${figure(row.exact.worst)} packets`,
            figure(row.pathsPerSecond),
            figure(row.events),
            figure(row.lost),
            causes(row.lostByCause),
            figure(row.cpuPerMillion, 2),
          ]),
      ),
    ],
    2,
  );
}

/** @param {Readonly<Record<string, number>>} lost */
function causes(lost) {
  const each = Object.entries(lost).map(([cause, count]) => `${cause} ${figure(count)}`);
  return each.length === 0 ? NOT_KNOWN : each.join(', ');
}

/** @param {readonly import('./kernel-part.mjs').KernelResult[]} results */
export function renderKernel(results) {
  return table([
    ['program', 'runs a packet', 'ns a run', 'ns a packet', 'ns a hop'],
    ...results.flatMap((result) => [
      [
        `**${result.observer}**: ${figure(result.hops)} hops, ${figure(result.recordsAPacket, 2)} records, ` +
          `${figure(result.bytesAPacket)} bytes, ${figure(result.eventsAPacket, 2)} events a packet`,
        ...['', '', figure(result.nsAPacket), figure(result.nsAHop, 1)],
      ],
      ...result.programs.map((row) => [
        row.program,
        figure(row.runs / result.packets, 2),
        figure(row.nsARun),
        figure(row.nsAPacket, 1),
        figure(row.nsAHop, 1),
      ]),
    ]),
  ]);
}

/** @param {readonly import('./joining.mjs').Joined[]} rows */
export function renderJoining(rows) {
  return table([
    ['one core joins', 'hops/s', 'least to most', 'hops', 'packets', 'flows'],
    ...rows.map((row) => [
      row.load,
      figure(row.hopsPerSecond),
      `${figure(row.least)} to ${figure(row.most)}`,
      figure(row.hops),
      figure(row.paths),
      figure(row.flows),
    ]),
  ]);
}

/** @param {readonly import('./latency-part.mjs').LatencyRow[]} rows */
export function renderLatency(rows) {
  return table([
    ['other packets/s', 'sent/s', 'p50 ms', 'p99 ms', 'most ms', 'samples', 'missed'],
    ...rows.map((row) => [
      figure(row.wanted),
      figure(row.reached),
      figure(row.p50Ms),
      figure(row.p99Ms),
      figure(row.mostMs),
      figure(row.samples),
      figure(row.missed),
    ]),
  ]);
}

/** @param {readonly import('./memory-part.mjs').MemoryRow[]} rows */
export function renderMemory(rows) {
  return table([
    ...[
      ['flows', 'each is', 'kept', 'RSS MiB', 'most MiB', 'heap MiB', 'loop p99 ms'].concat([
        'loop most ms',
        'hops/s',
      ]),
    ],
    ...rows.map(({ seen, wanted, failure, figures }) =>
      figures === null
        ? [figure(wanted), seen, failure ?? NOT_KNOWN]
        : [
            figure(wanted),
            seen,
            figure(figures.flows),
            mebibytes(figures.after.rss),
            mebibytes(figures.peakRss),
            mebibytes(figures.after.heapUsed),
            figure(figures.loopP99Ms, 1),
            figure(figures.loopMostMs, 1),
            figures.hops === undefined ? NOT_KNOWN : figure(figures.hops / figures.seconds),
          ],
    ),
  ]);
}

/**
 * All of a run that was measured, a heading and a table each.
 *
 * @param {BenchResult} result
 * @returns {string}
 */
export function renderResult(result) {
  const { machine, size, startup, load, kernel, joining, latency, memory, guest } = result;
  const sections = [
    `Linux ${machine.kernel}, ${machine.cores} cores (${machine.cpu ?? 'unknown'}), ` +
      `${result.encap}, medians of ${size.rounds} rounds of ${size.seconds} s, ${result.date}\n`,
    startup &&
      `From start to ready ${figure(startup.readyMs)} ms (${figure(startup.least)} to ` +
        `${figure(startup.most)}), to its end ${figure(startup.goneMs)} ms.\n`,
    load && `### Load, as a ratio to nobody watching\n\n${renderRatios(load.results)}`,
    load && `### What was seen of it\n\n${renderDaemon(load.results)}`,
    kernel && `### BPF time\n\n${renderKernel(kernel)}`,
    joining && `### Joining\n\n${renderJoining(joining)}`,
    latency && `### From packet to client\n\n${renderLatency(latency)}`,
    memory && `### Memory\n\n${renderMemory(memory)}`,
    result.notes.length > 0 && result.notes.map((note) => `- ${note}\n`).join(''),
    guest && `## On an emulated kernel\n\n${renderResult(guest)}`,
  ];
  return sections.filter((section) => typeof section === 'string').join('\n');
}
