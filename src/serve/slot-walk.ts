import type { Flow } from '../flow/flow.js';
import type { FlowTable } from '../flow/flow-table.js';
import { SCANNED_FLOWS, SLOTS_PER_ANSWER } from './limits.js';

/** Goes through the slots of a table, so many in a call, and then begins again. */
export class SlotWalk {
  /** Flows that were looked at, of this time through or of the one that has ended. */
  looked = 0;
  #slot = 0;

  get isAtBeginning(): boolean {
    return this.#slot === 0;
  }

  /** @returns whether all were looked at, or as many as are in one look */
  advance(flows: FlowTable, look: (flow: Flow) => void): boolean {
    if (this.#slot === 0) this.looked = 0;
    const end = Math.min(flows.slots, this.#slot + SLOTS_PER_ANSWER);
    for (; this.#slot < end && this.looked < SCANNED_FLOWS; this.#slot++) {
      const flow = flows.at(this.#slot);
      if (flow === null) continue;
      this.looked += 1;
      look(flow);
    }
    if (this.#slot < flows.slots && this.looked < SCANNED_FLOWS) return false;
    this.#slot = 0;
    return true;
  }
}
