import type { Direction, LegRecord, OctavesRecord } from 'hopscope-protocol';
import type { Quantiles } from '../store/leg-window.js';
import type { NamedLeg } from '../store/named-legs.js';

/** Times since the flow began, or of the packets of the last seconds. */
export type TimeSpan = 'all' | 'recent';

export interface HopTimes {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly octaves: OctavesRecord | null;
}

/** One leg of a direction, as the table shows it. */
export interface HopRow {
  readonly key: string;
  readonly leg: LegRecord;
  /** Position on the way, from 1. */
  readonly order: number;
  /** Packets fewer than at the leg before, negative for more; null for the first. */
  readonly fewer: number | null;
  readonly times: HopTimes | null;
  /** Of the sum of p50 over all legs, 0 to 1; null without times. */
  readonly share: number | null;
}

function timesSinceStart({ latencyNs }: LegRecord): HopTimes | null {
  if (latencyNs === null) return null;
  const { count, octaves, ...rest } = latencyNs;
  return { ...rest, count: Number(count), octaves: octaves ?? null };
}

/** The legs of one direction in the order in which they are passed. */
export function hopRows(
  legs: readonly NamedLeg[],
  direction: Direction,
  span: TimeSpan,
  recent: ReadonlyMap<string, Quantiles>,
): HopRow[] {
  const own = legs.filter(({ leg }) => leg.direction === direction);
  const times = own.map(({ key, leg }) =>
    span === 'all' ? timesSinceStart(leg) : (recent.get(key) ?? null),
  );
  const sum = times.reduce((all, one) => all + (one?.p50 ?? 0), 0);
  return own.map(({ key, leg }, index) => {
    const before = own[index - 1]?.leg;
    const found = times[index] ?? null;
    return {
      ...{ key, leg, order: index + 1, times: found },
      fewer: before === undefined ? null : Number(BigInt(before.packets) - BigInt(leg.packets)),
      share: found === null || sum === 0 ? null : found.p50 / sum,
    };
  });
}

export interface HopColumn {
  readonly id: string;
  readonly label: string;
  readonly help: string;
  readonly numeric: boolean;
  /** What it is ordered by; null sorts last. */
  readonly key: (row: HopRow) => number | string | null;
}

function named(row: HopRow): string {
  const { netns, dev, hook, stage } = row.leg;
  return `${netns} ${dev ?? ''} ${hook ?? stage}`;
}

const column = (
  id: string,
  label: string,
  help: string,
  key: HopColumn['key'],
  numeric = true,
): HopColumn => ({ id, label, help, numeric, key });

export const HOP_COLUMNS: readonly HopColumn[] = [
  column('order', '#', 'Position on the way', ({ order }) => order),
  column('place', 'Hop', 'Namespace, device and stage', named, false),
  column('packets', 'packets', 'Traced packets seen there since the flow began', ({ leg }) =>
    Number(leg.packets),
  ),
  column('bytes', 'IP bytes', 'Bytes of the innermost IP packets seen there', ({ leg }) =>
    Number(leg.bytes),
  ),
  column(
    'fewer',
    'lost',
    'Packets fewer than at the hop before: dropped or lost in between, merged, or gone another way',
    ({ fewer }) => fewer,
  ),
  column('p50', 'p50', 'Half of the packets came from the hop before in less', ({ times }) =>
    times === null ? null : times.p50,
  ),
  column('share', 'share', 'Part of the way’s time, by p50', ({ share }) => share),
  column('p90', 'p90', '9 of 10 packets came in less', ({ times }) => times?.p90 ?? null),
  column('p99', 'p99', '99 of 100 packets came in less', ({ times }) => times?.p99 ?? null),
  column('count', 'of', 'Packets that the times are of: a p99 of few says little', ({ times }) =>
    times === null ? null : times.count,
  ),
  column('max', 'max', 'The slowest packet', ({ times }) => times?.max ?? null),
];

/** By one column; rows without a value last, equal ones in the order of the way. */
export function sortedRows(
  rows: readonly HopRow[],
  id: string,
  isDescending: boolean,
): readonly HopRow[] {
  const key = HOP_COLUMNS.find((one) => one.id === id)?.key ?? (({ order }: HopRow) => order);
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    if (left === right) return a.order - b.order;
    if (left === null) return 1;
    if (right === null) return -1;
    return left < right ? -sign : sign;
  });
}
