import type {
  FlowHistoryRecord,
  FlowRecord,
  MtuReport,
  PathRecord,
  QualityRecord,
} from 'hopscope-protocol';

export interface NamespaceRecord {
  readonly name: string;
  readonly node: string | null;
  readonly inode: number;
}

/** A finished path whose record is made only when somebody wants it. */
export interface RecentPath {
  readonly id: string;
  record(): PathRecord;
}

/**
 * What the joining half offers to whoever shows flows. All of it is pull: a slow
 * reader costs nothing, it only sees fewer intermediate states.
 */
export interface FlowFeed {
  /** `withOctaves`: also how the latencies of its legs are spread. */
  flow(id: string, withOctaves?: boolean): FlowRecord | null;
  /** The newest finished paths of a flow, newest first, at most `limit`. */
  recentPaths(flowId: string, limit: number): readonly RecentPath[];
  /** What a flow did over time; null where it is not in the table, or nothing of that is kept. */
  history(id: string): FlowHistoryRecord | null;
  quality(): QualityRecord;
  namespaces(): readonly NamespaceRecord[];
  /** What is known of encapsulation and MTUs; null while it is being made: ask again. */
  mtu(): MtuReport | null;
  /** Asks to see everything for a moment: somebody looks at a flow. */
  request(): void;
}
