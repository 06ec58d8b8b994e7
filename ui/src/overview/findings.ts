import {
  type FlowRow,
  type Group,
  type GroupsMessage,
  matchesFilter,
  parseFilter,
} from 'hopscope-protocol';
import { formatDuration, plural } from '../format/quantity.js';

/** Things that look wrong that are shown at most. */
export const FINDING_LIMIT = 5;
/** Below so many packets a p99 says little. */
const MEASURED_LEAST = 20;
/** So many times slower than the middle of all groups looks wrong. */
const SLOW_TIMES = 5;

/** What looks wrong, and the filter that leaves its flows. */
export interface Finding {
  readonly text: string;
  readonly filter: string;
  readonly tone: 'bad' | 'warn';
  /** The larger the worse. */
  readonly weight: number;
}

function middle(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

function failing({ key, failed, flows }: Group): Finding[] {
  if (key?.filter == null || failed === 0) return [];
  const share = failed / flows;
  const text = `${key.label}: ${failed} of ${plural(flows, 'connection')} came to nothing`;
  return [
    {
      text,
      filter: key.filter,
      tone: share > 0.5 ? 'bad' : 'warn',
      weight: 100 * share + Math.log10(failed),
    },
  ];
}

function dropping({ key, drops, flows }: Group): Finding[] {
  if (key?.filter == null || drops === 0) return [];
  const text = `${plural(drops, 'packet')} of ${plural(flows, 'flow')} dropped: ${key.label}`;
  return [{ text, filter: key.filter, tone: 'bad', weight: 80 + Math.log10(drops) }];
}

function slow(groups: readonly Group[]): Finding[] {
  const measured = groups.filter(({ p99, measured: n }) => p99 !== null && n >= MEASURED_LEAST);
  const usual = middle(measured.map(({ p50 }) => p50 ?? 0));
  if (usual === null || measured.length < 3) return [];
  return measured.flatMap(({ key, p50, p99 }) => {
    if (key?.filter == null || p50 === null || p50 < usual * SLOW_TIMES) return [];
    const times = Math.round(p50 / usual);
    const text = `${key.label}: p50 ${formatDuration(p50)}, p99 ${formatDuration(p99)}, ${times} times the usual`;
    return [
      { text, filter: key.filter, tone: 'warn' as const, weight: 20 + Math.log10(times) * 10 },
    ];
  });
}

const MTU_FAULTS = [
  ['mtu:blackhole', 'lose packets that are too large for their way', 'bad', 120],
  ['mtu:pmtu', 'were told to send smaller packets', 'warn', 15],
  ['mtu:fragments', 'send fragments', 'warn', 14],
] as const;

function mtuFaults(rows: readonly FlowRow[], now: number): Finding[] {
  return MTU_FAULTS.flatMap(([filter, what, tone, weight]) => {
    const parsed = parseFilter(filter);
    const count = rows.filter((row) => matchesFilter(row, parsed, now)).length;
    return count === 0 ? [] : [{ text: `${plural(count, 'flow')} ${what}`, filter, tone, weight }];
  });
}

/** The worst things that are to be seen now, the worst first. */
export function findings(
  services: GroupsMessage | null,
  reasons: GroupsMessage | null,
  rows: readonly FlowRow[],
  now: number,
): Finding[] {
  const groups = services?.groups ?? [];
  return [
    ...groups.flatMap(failing),
    ...(reasons?.groups ?? []).flatMap(dropping),
    ...slow(groups),
    ...mtuFaults(rows, now),
  ]
    .sort((a, b) => b.weight - a.weight)
    .slice(0, FINDING_LIMIT);
}
