import * as v from 'valibot';
import type { FlowRow } from './flow-row.js';
import { type Infer, list, number, string } from './scalars.js';

/** What flows can be put together by. */
export const GROUPINGS = [
  'source-service',
  'source-destination',
  'service',
  'workload',
  'namespace',
  'node-pair',
  'reason',
  'encapsulation',
  'verdict',
] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Groups of one answer; flows of all others are in its `other`. */
export const GROUP_LIMIT = 2_048;
/** Steps of a sparkline, of so many seconds each: 15 minutes. */
export const SPARK_STEPS = 30;
export const SPARK_STEP_SECONDS = 30;
/** Seconds over which connections a second are counted. */
export const CONNECTION_SECONDS = 10;

/** Of which flows one row of a grouped table speaks. */
export const groupKeySchema = v.object({
  /** As it is shown: `pod1 → default/nginx-service`. */
  label: string,
  /** The filter that leaves its flows; null where no filter says that. */
  filter: v.nullable(string),
});
export type GroupKey = Infer<typeof groupKeySchema>;

export const groupSchema = v.object({
  /** Null for the flows of all groups past GROUP_LIMIT. */
  key: v.nullable(groupKeySchema),
  flows: number,
  /** Those of its flows that have ended. */
  ended: number,
  connectionsPerSecond: number,
  /** Flows that were dropped, or asked and got no answer. */
  failed: number,
  packets: number,
  bytes: number,
  drops: number,
  /** Of all its packets whose way was seen whole, in the original direction; nanoseconds. */
  p50: v.nullable(number),
  p99: v.nullable(number),
  /** Packets behind the two. */
  measured: number,
  /** Bytes in each of the last SPARK_STEPS steps, oldest first. */
  spark: list(number, SPARK_STEPS),
});
export type Group = Infer<typeof groupSchema>;

/** All groups of one grouping, the one with most bytes first. */
export const groupsAnswerSchema = v.object({
  groups: list(groupSchema, GROUP_LIMIT),
  /** The flows of all groups past GROUP_LIMIT; null where there are none. */
  other: v.nullable(groupSchema),
  /** Flows that were looked at, and that there are. */
  flows: number,
  total: number,
});
export type GroupsAnswer = Infer<typeof groupsAnswerSchema>;

function quoted(value: string): string {
  return /[\s"()]/.test(value) ? `"${value.replaceAll('"', '')}"` : value;
}

function source(row: FlowRow): { readonly label: string; readonly filter: string } {
  const name = row.srcName ?? row.src.address;
  return { label: name, filter: `src:${quoted(name)}` };
}

function tags(row: FlowRow, field: string): string[] {
  const start = `${field}:`;
  return (row.tags ?? [])
    .filter((tag) => tag.startsWith(start))
    .map((tag) => tag.slice(start.length));
}

function one(label: string, filter: string | null): GroupKey[] {
  return [{ label, filter }];
}

/**
 * The groups that a flow is in: one, but by workload and by namespace that of either end, and
 * none where nothing of the kind is known of it.
 */
export function groupKeys(row: FlowRow, by: Grouping): readonly GroupKey[] {
  switch (by) {
    case 'source-service': {
      const from = source(row);
      const service = row.service ?? row.dstName ?? row.dst.address;
      const field = row.service === null ? 'dst' : 'service';
      return one(`${from.label} → ${service}`, `${from.filter} ${field}:${quoted(service)}`);
    }
    case 'source-destination': {
      const from = source(row);
      const to = row.dstName ?? (row.dnat ?? row.dst).address;
      return one(`${from.label} → ${to}`, `${from.filter} to:${quoted(to)}`);
    }
    case 'service':
      return row.service === null ? [] : one(row.service, `service:${quoted(row.service)}`);
    case 'workload': {
      // Each has its name with and without its kind; with it, it is one.
      const whole = tags(row, 'workload').filter((value) => value.includes('/'));
      return whole.map((value) => ({ label: value, filter: `workload:${quoted(value)}` }));
    }
    case 'namespace':
      return tags(row, 'ns').map((value) => ({ label: value, filter: `ns:${quoted(value)}` }));
    case 'node-pair': {
      if (row.srcNode === null || row.dstNode === null) return [];
      const filter = `srcnode:${quoted(row.srcNode)} dstnode:${quoted(row.dstNode)}`;
      return one(`${row.srcNode} → ${row.dstNode}`, filter);
    }
    case 'reason':
      return row.dropReason === null ? [] : one(row.dropReason, `reason:${quoted(row.dropReason)}`);
    case 'encapsulation': {
      const types = [...new Set(row.encapsulation.map(({ type }) => type))];
      if (types.length === 0) return one('none', 'encap:none');
      return types.map((type) => ({ label: type, filter: `encap:${type}` }));
    }
    case 'verdict':
      return one(row.verdict, `verdict:${row.verdict}`);
  }
}

/** Whether a connection came to nothing: its packets were dropped, or nobody answered. */
export function hasFailed(row: FlowRow): boolean {
  if (row.verdict === 'dropped') return true;
  return row.proto === 'tcp' && !row.answered && (row.ended === true || row.state === 'closed');
}
