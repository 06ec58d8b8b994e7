import * as v from 'valibot';
import { decimal, type Infer, number, string } from './scalars.js';

/**
 * What is seen at a time: every packet, or drops and packets of flows that are new or were silent
 * for a moment (bpf/new-flow.h), or drops and nothing else.
 */
export const seenSchema = v.picklist(['all', 'new-flows', 'drops']);
export type Seen = Infer<typeof seenSchema>;

/** As `--sample` has it. */
const sampleModeSchema = v.custom<'all' | 'auto' | `1/${number}`>(
  (value) => typeof value === 'string' && /^(?:all|auto|1\/\d{1,10})$/.test(value),
  'all, auto or 1/N',
);

/** How much of what passes is traced, and what that costs. */
export const samplingRecordSchema = v.object({
  mode: sampleModeSchema,
  /** What is seen at this moment. */
  sees: seenSchema,
  /** Places seen of a netfilter hook. */
  detail: v.picklist(['all', 'edges']),
  /** Packets traced whole so far. */
  traced: decimal,
  /** Packets counted so far; null where nothing counts them. */
  of: v.nullable(decimal),
  /** What tracing may cost, as a share of one core; null without a limit. */
  budget: v.nullable(number),
  /** What it costs, kernel and daemon, as a share of one core; null while not measured. */
  cost: v.nullable(number),
  /** Windows opened, those of them that something asked for, and closings of a ring near full. */
  windows: v.object({
    opened: number,
    requested: number,
    crowded: number,
  }),
});
export type SamplingRecord = Infer<typeof samplingRecordSchema>;

/** Bytes that a part of hopscope takes, and may take. */
export const memoryUseSchema = v.object({
  bytes: number,
  limit: number,
});
export type MemoryUse = Infer<typeof memoryUseSchema>;

/** Counters of everything that can be lost between the kernel and a reader. */
export const qualityRecordSchema = v.object({
  eventsPerSecond: number,
  events: decimal,
  /** Events the kernel could not hand over: the ring was full. */
  lost: decimal,
  /** Flows and paths dropped from a bounded table before they had ended. */
  evicted: decimal,
  /** Messages not sent because a client read too slowly. */
  skipped: decimal,
  /**
   * The same and all else that was lost, one entry a cause: `ring-full-hops`, `paths-evicted`, …
   * Decimal strings, since the start. `lost` and `evicted` are sums of some.
   */
  losses: v.record(string, string),
  /** Records that could not be decoded, by error code. */
  malformed: v.record(string, string),
  /** Share of one core the daemon itself used over the last second, 0 to 1 and more. */
  cpu: number,
  openPaths: number,
  flows: number,
  /** Records handed over by the kernel and their bytes, since the start; absent in a replay. */
  handed: v.exactOptional(
    v.object({
      records: decimal,
      bytes: decimal,
    }),
  ),
  /** Hops that a filter in the kernel left out; absent without one. */
  filtered: v.exactOptional(decimal),
  /** By part, as shared out by memory-budget.ts; absent where nothing shares it out. */
  memory: v.exactOptional(v.record(string, memoryUseSchema)),
  /** Share of the ring that waits to be read, 0 to 1; `null` where there is no ring. */
  ringFill: v.exactOptional(v.nullable(number)),
  /** How packets are chosen for tracing; `null` or absent while nothing chooses. */
  sampling: v.exactOptional(v.nullable(samplingRecordSchema)),
  /** By who gives names: seconds since they were certain, null while they never were; absent in a replay. */
  nameAges: v.exactOptional(v.record(string, v.nullable(number))),
  /** What this kernel or these privileges do not give, in words. */
  missing: v.array(string),
});
export type QualityRecord = Infer<typeof qualityRecordSchema>;
