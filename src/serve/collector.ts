import type {
  FlowHistoryRecord,
  FlowRecord,
  Grouping,
  MtuReport,
  RowOrder,
} from 'hopscope-protocol';
import { HopscopeError } from '../model/errors.js';
import type { NamespaceRecord } from '../model/feed.js';
import type {
  FirstFlows,
  FlowDetail,
  FlowsPart,
  GroupsPart,
  PagePosition,
  StatusMessage,
} from './channel-messages.js';
import type { RowTable } from './row-table.js';

/** The collector did not answer; `code` is `collector-busy` or `collector-gone`. */
export class CollectorError extends HopscopeError {}

/** The collecting half, as the server sees it across the channel. */
export interface Collector {
  /** Filled while `watch(true)` holds. */
  readonly table: RowTable;
  /** The newest figures; `null` before the first. */
  readonly status: Omit<StatusMessage, 'type'> | null;
  /** Time of the newest packet, wall-clock nanoseconds. */
  newest(): bigint;
  watch(watching: boolean): void;
  /** Called after the table has taken in a batch. */
  onBatch(listener: () => void): void;
  /**
   * A flow with its newest paths, without those it is said to `have`.
   * Rejects with CollectorError.
   */
  flow(id: string, have: readonly string[]): Promise<FlowDetail>;
  /**
   * The next flows that match the filter, in the order of change, the newest first; fewer, or none,
   * where others had to be passed over. Rejects with CollectorError.
   */
  flows(from: PagePosition | null, limit: number, filter: string): Promise<FlowsPart>;
  /** Of the flows that match the filter the first of an order. Rejects with CollectorError. */
  first(filter: string, order: RowOrder, limit: number): Promise<FirstFlows>;
  /** Those of RECORDS_PER_ANSWER flows that are still there. Rejects with CollectorError. */
  records(ids: readonly string[]): Promise<readonly FlowRecord[]>;
  /** Rejects with CollectorError. */
  history(id: string): Promise<FlowHistoryRecord | null>;
  /** Rejects with CollectorError. */
  groups(by: Grouping, filter: string): Promise<GroupsPart>;
  /** Rejects with CollectorError. */
  namespaces(): Promise<readonly NamespaceRecord[]>;
  /** Rejects with CollectorError. */
  mtu(): Promise<MtuReport>;
}
