import { LinearBuckets } from '../join/linear-buckets.js';
import type { Flow } from './flow.js';
import { ID_HIGH, ID_LOW, NEXT_BY_ID } from './flow-block.js';
import type { FlowSlots } from './flow-slots.js';

/** Flows by id. Ids are evenly spread already, so their lower half is the hash. */
export class FlowIndex {
  readonly #slots: FlowSlots;
  readonly #buckets = new LinearBuckets();

  constructor(slots: FlowSlots) {
    this.#slots = slots;
  }

  /** @param id 16 hex digits */
  get(id: string): Flow | undefined {
    const high = Number.parseInt(id.slice(0, 8), 16) | 0;
    const low = Number.parseInt(id.slice(8, 16), 16) | 0;
    let slot = this.#buckets.first(low);
    const slots = this.#slots;
    while (slot >= 0) {
      if (slots.word(slot, ID_LOW) === low && slots.word(slot, ID_HIGH) === high) {
        const flow = slots.at(slot);
        return flow?.id === id ? flow : undefined;
      }
      slot = slots.word(slot, NEXT_BY_ID);
    }
    return undefined;
  }

  add(flow: Flow): void {
    this.#makeRoom();
    flow.word(NEXT_BY_ID, this.#buckets.put(flow.slot, flow.wordAt(ID_LOW)));
  }

  remove(flow: Flow): void {
    const { slot } = flow;
    const slots = this.#slots;
    const next = flow.wordAt(NEXT_BY_ID);
    let before = this.#buckets.remove(slot, flow.wordAt(ID_LOW), next);
    if (before >= 0) {
      while (slots.word(before, NEXT_BY_ID) !== slot) {
        before = slots.word(before, NEXT_BY_ID);
      }
      slots.setWord(before, NEXT_BY_ID, next);
    }
  }

  #makeRoom(): void {
    const slots = this.#slots;
    let slot = this.#buckets.makeRoom();
    while (slot >= 0) {
      const next = slots.word(slot, NEXT_BY_ID);
      slots.setWord(slot, NEXT_BY_ID, this.#buckets.put(slot, slots.word(slot, ID_LOW)));
      slot = next;
    }
  }
}
