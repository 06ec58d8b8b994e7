import {
  CONNECTION_SECONDS,
  type FlowRow,
  GROUP_LIMIT,
  type Group,
  type Grouping,
  type GroupKey,
  type GroupsAnswer,
  groupKeys,
  hasFailed,
  SPARK_STEP_SECONDS,
  SPARK_STEPS,
} from 'hopscope-protocol';
import { ORIGINAL, REPLY } from '../flow/direction-index.js';
import type { Flow } from '../flow/flow.js';
import { FINE_NS } from '../flow/flow-history.js';
import { Histogram } from '../flow/histogram.js';
import { flowMatch, type ScannedFlows } from './flow-match.js';
import { SlotWalk } from './slot-walk.js';

const SPARK_NS = SPARK_STEP_SECONDS * 1e9;

/** What is known of a group while flows are looked at. */
class Sums {
  flows = 0;
  ended = 0;
  begun = 0;
  failed = 0;
  packets = 0;
  bytes = 0;
  drops = 0;
  readonly latency = new Histogram();
  readonly spark = new Float64Array(SPARK_STEPS);
  readonly key: GroupKey | null;

  constructor(key: GroupKey | null) {
    this.key = key;
  }

  group(): Group {
    const { latency } = this;
    const has = latency.count > 0;
    return {
      key: this.key,
      flows: this.flows,
      ended: this.ended,
      connectionsPerSecond: this.begun / CONNECTION_SECONDS,
      failed: this.failed,
      packets: this.packets,
      bytes: this.bytes,
      drops: this.drops,
      p50: has ? latency.quantile(0.5) : null,
      p99: has ? latency.quantile(0.99) : null,
      measured: latency.count,
      spark: [...this.spark],
    };
  }
}

/**
 * Puts the flows of the table together, so many in a call: nobody waits while a million of them
 * is looked at. It looks at all flows anew each time, so nothing is kept of a flow for it; what
 * comes and goes meanwhile is in or not.
 */
export class GroupScan {
  /** The newest answer that is whole. */
  answer: GroupsAnswer | null = null;
  readonly by: Grouping;
  readonly filter: string;
  readonly #from: ScannedFlows;
  #match: (flow: Flow) => FlowRow | null = () => null;
  #sums = new Map<string, Sums>();
  #other = new Sums(null);
  readonly #walk = new SlotWalk();
  #now = 0;

  constructor(from: ScannedFlows, by: Grouping, filter: string) {
    this.#from = from;
    this.by = by;
    this.filter = filter;
  }

  /** Looks at some more. @returns whether the answer is new and whole */
  advance(): boolean {
    const { flows } = this.#from;
    if (this.#walk.isAtBeginning) this.#begin();
    if (!this.#walk.advance(flows, (flow) => this.#add(flow))) return false;
    const groups = [...this.#sums.values()].map((sums) => sums.group());
    groups.sort((a, b) => b.bytes - a.bytes || (labelOf(a) < labelOf(b) ? -1 : 1));
    this.answer = {
      groups,
      other: this.#other.flows === 0 ? null : this.#other.group(),
      flows: this.#walk.looked,
      total: flows.size + flows.ended,
    };
    this.#sums = new Map();
    return true;
  }

  #begin(): void {
    this.#sums = new Map();
    this.#other = new Sums(null);
    this.#match = flowMatch(this.#from, this.filter);
    this.#now = this.#from.flows.newest?.last ?? 0;
  }

  #add(flow: Flow): void {
    const row = this.#match(flow);
    if (row === null) return;
    const failed = hasFailed(row);
    for (const key of groupKeys(row, this.by)) {
      let sums = this.#sums.get(key.label);
      if (sums === undefined) {
        if (this.#sums.size >= GROUP_LIMIT) sums = this.#other;
        else {
          sums = new Sums(key);
          this.#sums.set(key.label, sums);
        }
      }
      this.#put(sums, flow, failed);
    }
  }

  #put(sums: Sums, flow: Flow, failed: boolean): void {
    sums.flows += 1;
    sums.ended += flow.hasEnded ? 1 : 0;
    sums.begun += flow.start > this.#now - CONNECTION_SECONDS * 1e9 ? 1 : 0;
    sums.failed += failed ? 1 : 0;
    sums.packets += flow.packets(ORIGINAL) + flow.packets(REPLY);
    sums.bytes += flow.bytes(ORIGINAL) + flow.bytes(REPLY);
    sums.drops += flow.drops(ORIGINAL) + flow.drops(REPLY);
    const latency = flow.latency(ORIGINAL);
    if (latency !== null) sums.latency.merge(latency);
    const last = Math.floor(this.#now / SPARK_NS);
    for (const { step, bytes } of this.#from.flows.historyOf(flow)?.fine ?? []) {
      const at = SPARK_STEPS - 1 - (last - Math.floor((step * FINE_NS) / SPARK_NS));
      if (at >= 0 && at < SPARK_STEPS) {
        sums.spark[at] = (sums.spark[at] as number) + bytes[0] + bytes[1];
      }
    }
  }
}

function labelOf({ key }: Group): string {
  return key?.label ?? '';
}
