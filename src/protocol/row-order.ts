import * as v from 'valibot';
import type { FlowRow } from './flow-row.js';
import { boolean, type Infer } from './scalars.js';

/** What a row is ordered by; `null` comes last either way. */
export type RowKey = string | number | null;

/** `default/nginx-service` is `nginx-service` where people read it. */
export function shortService(service: string): string {
  return service.startsWith('default/') ? service.slice('default/'.length) : service;
}

export function sourceLabel(row: FlowRow): string {
  return row.srcName ?? row.src.address;
}

export function destinationLabel(row: FlowRow): string {
  if (row.service !== null) return shortService(row.service);
  return row.dstName ?? row.dst.address;
}

/** The key of each column that rows can be ordered by, the same for daemon and page. */
export const ROW_KEYS = {
  start: (row) => Number(row.start),
  last: (row) => Number(row.last),
  src: sourceLabel,
  dst: destinationLabel,
  to: (row) => (row.dnat === null ? null : (row.dstName ?? row.dnat.address)),
  proto: (row) => row.proto,
  state: (row) => row.state,
  verdict: (row) => row.verdict,
  drops: (row) => Number(row.drops),
  encap: (row) => row.encapsulation[0]?.type ?? null,
  packets: (row) => Number(row.packets),
  bytes: (row) => Number(row.bytes),
  pps: (row) => row.packetsPerSecond,
  bps: (row) => row.bytesPerSecond,
  p50: (row) => row.p50,
  p99: (row) => row.p99,
} as const satisfies Readonly<Record<string, (row: FlowRow) => RowKey>>;

export type OrderColumn = keyof typeof ROW_KEYS;
export const ORDER_COLUMNS = Object.keys(ROW_KEYS) as readonly OrderColumn[];

export const rowOrderSchema = v.object({
  column: v.picklist(ORDER_COLUMNS),
  descending: boolean,
});
export type RowOrder = Infer<typeof rowOrderSchema>;

/** Below 0 where the first comes before the second. */
export function compareKeys(a: RowKey, b: RowKey, descending: boolean): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  return a < b === descending ? 1 : -1;
}
