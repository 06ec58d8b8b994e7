import type { FlowTable } from '../flow/flow-table.js';
import type { FlowFeed } from '../model/feed.js';
import type { Catalog } from '../name/catalog.js';
import type { ClusterNames } from '../name/cluster-names.js';
import type { Names } from '../name/names.js';

/** What is shown: the collecting half of hopscope, as the serving half sees it. */
export interface Collected {
  readonly feed: FlowFeed;
  readonly flows: FlowTable;
  /** Kernel monotonic nanoseconds that the flows' times count from. */
  readonly epochNs: bigint;
  readonly names: Names;
  /** Another object each time names have changed. */
  catalog(): Catalog;
  /** Names of a whole cluster. */
  readonly cluster: ClusterNames;
}
