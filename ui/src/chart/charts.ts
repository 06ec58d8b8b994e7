import type { Direction } from 'hopscope-protocol';
import { formatBytes, formatCount, formatDuration } from '../format/quantity.js';

/** One line of a chart; `key` names its points in the history. */
export interface Series {
  readonly key: string;
  readonly label: string;
  /** A variable of base.css: `var(--series-1)`. */
  readonly color: string;
}

export interface ShownLeg {
  readonly key: string;
  readonly label: string;
  readonly color: string;
}

export interface ChartContext {
  readonly direction: Direction;
  /** Hops whose latency is drawn. */
  readonly legs: readonly ShownLeg[];
}

/** A chart is data: adding one here puts it on every flow's page. */
export interface Chart {
  readonly id: string;
  readonly title: string;
  readonly help: string;
  readonly group: 'throughput' | 'latency';
  readonly logarithmic: boolean;
  readonly format: (value: number | null) => string;
  readonly series: (context: ChartContext) => readonly Series[];
}

const ORIGINAL = 'var(--series-1)';
const REPLY = 'var(--series-2)';

/** Colours of lines that CSS has, for light and for dark. */
const SERIES_COLOURS = 12;

export function colorOf(index: number): string {
  return `var(--series-${(index % SERIES_COLOURS) + 1})`;
}

function directions(quantity: string): readonly Series[] {
  return [
    { key: `${quantity}|original`, label: 'original', color: ORIGINAL },
    { key: `${quantity}|reply`, label: 'reply', color: REPLY },
  ];
}

function perLeg(quantile: string): Chart['series'] {
  return ({ legs }) =>
    legs.map(({ key, label, color }) => ({ key: `${quantile}|${key}`, label, color }));
}

export const CHARTS: readonly Chart[] = [
  {
    id: 'packets',
    title: 'Packets/s',
    help: 'Packets of each direction, each counted once',
    group: 'throughput',
    logarithmic: false,
    format: formatCount,
    series: () => directions('packets'),
  },
  {
    id: 'bytes',
    title: 'Bytes/s',
    help: 'IP bytes of each direction as sent by the source',
    group: 'throughput',
    logarithmic: false,
    format: formatBytes,
    series: () => directions('bytes'),
  },
  {
    id: 'p50',
    title: 'p50 per hop, last 10 s',
    help: 'Half of the packets of the last 10 seconds came here from the hop before in less',
    group: 'latency',
    logarithmic: true,
    format: formatDuration,
    series: perLeg('p50'),
  },
  {
    id: 'p99',
    title: 'p99 per hop, last 10 s',
    help: '99 of 100 packets of the last 10 seconds came here from the hop before in less',
    group: 'latency',
    logarithmic: true,
    format: formatDuration,
    series: perLeg('p99'),
  },
];
