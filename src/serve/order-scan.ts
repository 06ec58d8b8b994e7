import { compareKeys, type FlowRow, ROW_KEYS, type RowOrder } from 'hopscope-protocol';
import type { Flow } from '../flow/flow.js';
import { bestFirst, type Keyed } from './best-rows.js';
import type { FirstFlows } from './channel-messages.js';
import { flowMatch, type ScannedFlows } from './flow-match.js';
import { SlotWalk } from './slot-walk.js';

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
  readonly #walk = new SlotWalk();

  constructor(from: ScannedFlows, filter: string, order: RowOrder, limit: number) {
    this.#from = from;
    this.#filter = filter;
    this.#order = order;
    this.#limit = limit;
  }

  /** Looks at some more. @returns whether the answer is new and whole */
  advance(): boolean {
    const { flows } = this.#from;
    if (this.#walk.isAtBeginning) this.#match = flowMatch(this.#from, this.#filter);
    if (!this.#walk.advance(flows, (flow) => this.#add(flow))) return false;
    const { descending } = this.#order;
    this.#found.sort((a, b) => compareKeys(a.key, b.key, descending));
    const ids = this.#found.slice(0, this.#limit).map(({ id }) => id);
    this.answer = { ids, looked: this.#walk.looked, total: flows.size + flows.ended };
    this.#found = [];
    return true;
  }

  #add(flow: Flow): void {
    const row = this.#match(flow);
    if (row === null) return;
    const { column, descending } = this.#order;
    this.#found.push({ id: flow.id, key: ROW_KEYS[column](row) });
    if (this.#found.length < 2 * this.#limit) return;
    bestFirst(this.#found, this.#limit, descending);
    this.#found.length = this.#limit;
  }
}
