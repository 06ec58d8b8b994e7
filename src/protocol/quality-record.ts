/**
 * What is seen at a time: every packet, or drops and packets of flows that are new or were silent
 * for a moment (bpf/new-flow.h), or drops and nothing else.
 */
export type Seen = 'all' | 'new-flows' | 'drops';

/** How much of what passes is traced, and what that costs. */
export interface SamplingRecord {
  readonly mode: 'all' | 'auto' | `1/${number}`;
  /** What is seen at this moment. */
  readonly sees: Seen;
  /** Places seen of a netfilter hook. */
  readonly detail: 'all' | 'edges';
  /** Packets traced whole so far. */
  readonly traced: string;
  /** Packets counted so far; null where nothing counts them. */
  readonly of: string | null;
  /** What tracing may cost, as a share of one core; null without a limit. */
  readonly budget: number | null;
  /** What it costs, kernel and daemon, as a share of one core; null while not measured. */
  readonly cost: number | null;
  /** Windows opened, those of them that something asked for, and closings of a ring near full. */
  readonly windows: {
    readonly opened: number;
    readonly requested: number;
    readonly crowded: number;
  };
}

/** Bytes that a part of hopscope takes, and may take. */
export interface MemoryUse {
  readonly bytes: number;
  readonly limit: number;
}

/** Counters of everything that can be lost between the kernel and a reader. */
export interface QualityRecord {
  readonly eventsPerSecond: number;
  readonly events: string;
  /** Events the kernel could not hand over: the ring was full. */
  readonly lost: string;
  /** Flows and paths dropped from a bounded table before they had ended. */
  readonly evicted: string;
  /** Messages not sent because a client read too slowly. */
  readonly skipped: string;
  /**
   * The same and all else that was lost, one entry a cause: `ring-full-hops`, `paths-evicted`, …
   * Decimal strings, since the start. `lost` and `evicted` are sums of some.
   */
  readonly losses: Readonly<Record<string, string>>;
  /** Records that could not be decoded, by error code. */
  readonly malformed: Readonly<Record<string, string>>;
  /** Share of one core the daemon itself used over the last second, 0 to 1 and more. */
  readonly cpu: number;
  readonly openPaths: number;
  readonly flows: number;
  /** Records handed over by the kernel and their bytes, since the start; absent in a replay. */
  readonly handed?: { readonly records: string; readonly bytes: string };
  /** Hops that a filter in the kernel left out; absent without one. */
  readonly filtered?: string;
  /** By part, as shared out by memory-budget.ts; absent where nothing shares it out. */
  readonly memory?: Readonly<Record<string, MemoryUse>>;
  /** Share of the ring that waits to be read, 0 to 1; `null` where there is no ring. */
  readonly ringFill?: number | null;
  /** How packets are chosen for tracing; `null` or absent while nothing chooses. */
  readonly sampling?: SamplingRecord | null;
  /** By who gives names: seconds since they were certain, null while they never were; absent in a replay. */
  readonly nameAges?: Readonly<Record<string, number | null>>;
  /** What this kernel or these privileges do not give, in words. */
  readonly missing: readonly string[];
}
