import { compareKeys, type FlowRow, ROW_KEYS, type RowOrder } from 'hopscope-protocol';
import type { Flow } from '../flow/flow.js';
import { bestFirst, type Keyed } from './best-rows.js';
import type { FirstFlows } from './channel-messages.js';
import { flowMatch, type ScannedFlows } from './flow-match.js';
import { SCANNED_FLOWS, SLOTS_PER_ANSWER } from './limits.js';

interface KeyedFlow extends Keyed {
  readonly id: string;
}

/**
 * Finds the first flows of an order among those that match a filter, looking at so many in a call.
 * It looks at all flows anew each time; what comes and goes meanwhile is in or not.
 */
export class OrderScan {
  /** The newest answer that is whole. */
  answer: FirstFlows | null = null;
  readonly #from: ScannedFlows;
  readonly #filter: string;
  readonly #order: RowOrder;
  readonly #limit: number;
  #match: (flow: Flow) => FlowRow | null = () => null;
  #found: KeyedFlow[] = [];
  #slot = 0;
  #looked = 0;

  constructor(from: ScannedFlows, filter: string, order: RowOrder, limit: number) {
    this.#from = from;
    this.#filter = filter;
    this.#order = order;
    this.#limit = limit;
  }

  /** Looks at some more. @returns whether the answer is new and whole */
  advance(): boolean {
    const { flows } = this.#from;
    if (this.#slot === 0) {
      this.#looked = 0;
      this.#match = flowMatch(this.#from, this.#filter);
    }
    const end = Math.min(flows.slots, this.#slot + SLOTS_PER_ANSWER);
    for (; this.#slot < end && this.#looked < SCANNED_FLOWS; this.#slot++) {
      const flow = flows.at(this.#slot);
      if (flow !== null) this.#add(flow);
    }
    if (this.#slot < flows.slots && this.#looked < SCANNED_FLOWS) return false;
    this.#slot = 0;
    const { descending } = this.#order;
    this.#found.sort((a, b) => compareKeys(a.key, b.key, descending));
    const ids = this.#found.slice(0, this.#limit).map(({ id }) => id);
    this.answer = { ids, looked: this.#looked, total: flows.size + flows.ended };
    this.#found = [];
    return true;
  }

  #add(flow: Flow): void {
    this.#looked += 1;
    const row = this.#match(flow);
    if (row === null) return;
    const { column, descending } = this.#order;
    this.#found.push({ id: flow.id, key: ROW_KEYS[column](row) });
    if (this.#found.length < 2 * this.#limit) return;
    bestFirst(this.#found, this.#limit, descending);
    this.#found.length = this.#limit;
  }
}
