import { linearBucket, splitBucket } from '../join/linear-hash.js';
import type { Flow } from './flow.js';
import { ID_HIGH, ID_LOW, NEXT_BY_ID } from './flow-block.js';
import type { FlowSlots } from './flow-slots.js';

const INITIAL_BUCKETS = 64;

/** Flows by id. Ids are evenly spread already, so their lower half is the hash. */
export class FlowIndex {
  readonly #slots: FlowSlots;
  /** Slot of the first flow in each bucket, -1 for none; grows by linear hashing. */
  #heads = new Int32Array(INITIAL_BUCKETS).fill(-1);
  #count = INITIAL_BUCKETS;
  #size = 0;

  constructor(slots: FlowSlots) {
    this.#slots = slots;
  }

  /** @param id 16 hex digits */
  get(id: string): Flow | undefined {
    const high = Number.parseInt(id.slice(0, 8), 16) | 0;
    const low = Number.parseInt(id.slice(8, 16), 16) | 0;
    let slot = this.#heads[linearBucket(low, this.#count)] as number;
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
    if (this.#size >= this.#count) {
      this.#split();
    }
    const bucket = linearBucket(flow.wordAt(ID_LOW), this.#count);
    flow.word(NEXT_BY_ID, this.#heads[bucket] as number);
    this.#heads[bucket] = flow.slot;
    this.#size += 1;
  }

  remove(flow: Flow): void {
    const { slot } = flow;
    const bucket = linearBucket(flow.wordAt(ID_LOW), this.#count);
    const next = flow.wordAt(NEXT_BY_ID);
    if (this.#heads[bucket] === slot) {
      this.#heads[bucket] = next;
    } else {
      let before = this.#heads[bucket] as number;
      while (this.#slots.word(before, NEXT_BY_ID) !== slot) {
        before = this.#slots.word(before, NEXT_BY_ID);
      }
      this.#slots.setWord(before, NEXT_BY_ID, next);
    }
    this.#size -= 1;
  }

  #split(): void {
    const count = this.#count;
    if (count === this.#heads.length) {
      const larger = new Int32Array(count * 2);
      larger.set(this.#heads);
      this.#heads = larger;
    }
    const from = splitBucket(count);
    let slot = this.#heads[from] as number;
    this.#heads[from] = -1;
    this.#heads[count] = -1;
    this.#count = count + 1;
    const slots = this.#slots;
    while (slot >= 0) {
      const next = slots.word(slot, NEXT_BY_ID);
      const bucket = linearBucket(slots.word(slot, ID_LOW), this.#count);
      slots.setWord(slot, NEXT_BY_ID, this.#heads[bucket] as number);
      this.#heads[bucket] = slot;
      slot = next;
    }
  }
}
