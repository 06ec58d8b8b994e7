import type { Tuple } from '../join/tuple.js';
import { Flow } from './flow.js';
import { BLOCK_FLOWS, FlowBlock } from './flow-block.js';

/** The flows by slot number, and the blocks their numbers are in. Slots are used again. */
export class FlowSlots {
  readonly #flows: (Flow | null)[] = [];
  readonly #blocks: FlowBlock[] = [];
  readonly #free: number[] = [];
  #used = 0;

  get size(): number {
    return this.#used;
  }

  at(slot: number): Flow | null {
    return this.#flows[slot] ?? null;
  }

  take(original: Tuple): Flow {
    const slot = this.#free.pop() ?? this.#flows.length;
    const index = Math.floor(slot / BLOCK_FLOWS);
    let block = this.#blocks[index];
    if (block === undefined) {
      block = FlowBlock.of(index * BLOCK_FLOWS);
      this.#blocks.push(block);
    }
    const at = slot - block.firstSlot;
    block.clear(at);
    const flow = new Flow(block, at, original);
    this.#flows[slot] = flow;
    this.#used += 1;
    return flow;
  }

  /** The flow keeps its numbers; its slot may be another's. */
  release(flow: Flow): void {
    const { slot } = flow;
    flow.block = flow.block.alone(flow.at);
    flow.at = 0;
    this.#flows[slot] = null;
    this.#free.push(slot);
    this.#used -= 1;
  }
}
