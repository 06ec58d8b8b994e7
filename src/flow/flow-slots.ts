import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import { Flow } from './flow.js';
import {
  BLOCK_FLOWS,
  DOUBLES,
  FlowBlock,
  FREE_SLOT,
  NEWER,
  NEXT_BY_ID,
  ORIGINAL_TUPLE,
  REPLY_TUPLE,
  SHOWN,
  WORDS,
} from './flow-block.js';
import type { Traced } from './traced.js';

const NONE = -1;
const BLOCK_SHIFT = Math.log2(BLOCK_FLOWS);
const BLOCK_MASK = BLOCK_FLOWS - 1;

/** The flows by slot number, in blocks of their numbers. Slots are used again. */
export class FlowSlots {
  readonly #tuples: TupleTable;
  readonly #blocks: FlowBlock[] = [];
  /** The views of flows that were traced, block by block. */
  readonly #views: ((Flow | null)[] | null)[] = [];
  #free = NONE;
  #fresh = 0;
  #used = 0;

  constructor(tuples: TupleTable) {
    this.#tuples = tuples;
  }

  get size(): number {
    return this.#used;
  }

  /** The flow of a slot; null for a slot that is no flow's, and for -1. */
  at(slot: number): Flow | null {
    if (slot < 0) {
      return null;
    }
    const index = slot >>> BLOCK_SHIFT;
    const at = slot & BLOCK_MASK;
    const view = this.#views[index]?.[at] ?? null;
    if (view !== null) {
      return view;
    }
    const block = this.#blocks[index];
    if (block === undefined || block.words[at * WORDS + NEWER] === FREE_SLOT) {
      return null;
    }
    const made = new Flow(block, at);
    if (made.traced !== null) {
      this.#keep(index, at, made);
    }
    return made;
  }

  /** What paths showed of a flow, made for the first of them; the view stays from then on. */
  trace(flow: Flow): Traced {
    const { traced } = flow;
    if (traced !== null) {
      return traced;
    }
    this.#keep(flow.slot >>> BLOCK_SHIFT, flow.at, flow);
    return flow.makeTraced();
  }

  /** A word or a double of a flow in a slot, without a view. */
  word(slot: number, offset: number): number {
    const { words } = this.#blocks[slot >>> BLOCK_SHIFT] as FlowBlock;
    return words[(slot & BLOCK_MASK) * WORDS + offset] as number;
  }

  setWord(slot: number, offset: number, value: number): void {
    const { words } = this.#blocks[slot >>> BLOCK_SHIFT] as FlowBlock;
    words[(slot & BLOCK_MASK) * WORDS + offset] = value;
  }

  double(slot: number, offset: number): number {
    const { doubles } = this.#blocks[slot >>> BLOCK_SHIFT] as FlowBlock;
    return doubles[(slot & BLOCK_MASK) * DOUBLES + offset] as number;
  }

  take(original: Tuple): Flow {
    let slot = this.#free;
    if (slot >= 0) {
      this.#free = this.word(slot, NEXT_BY_ID);
    } else {
      slot = this.#fresh++;
    }
    const index = slot >>> BLOCK_SHIFT;
    let block = this.#blocks[index];
    if (block === undefined) {
      block = FlowBlock.of(this.#tuples, index * BLOCK_FLOWS);
      this.#blocks.push(block);
      this.#views.push(null);
    }
    const at = slot & BLOCK_MASK;
    block.clear(at);
    const flow = new Flow(block, at);
    flow.begin(original);
    this.#used += 1;
    return flow;
  }

  /** The flow keeps its numbers; its slot may be another's. */
  release(flow: Flow): void {
    const { slot, at, block } = flow;
    const index = slot >>> BLOCK_SHIFT;
    const views = this.#views[index] ?? null;
    const alone = block.alone(at);
    for (const view of [flow, views?.[at] ?? null]) {
      if (view !== null) {
        view.block = alone;
        view.at = 0;
      }
    }
    if (views !== null) {
      views[at] = null;
    }
    if (block.traced !== null) {
      block.traced[at] = null;
    }
    for (const tuple of [ORIGINAL_TUPLE, REPLY_TUPLE]) {
      const number = this.word(slot, tuple);
      if (number >= 0) {
        this.#tuples.release(number);
      }
    }
    this.setWord(slot, NEWER, FREE_SLOT);
    this.setWord(slot, SHOWN, 0);
    this.setWord(slot, NEXT_BY_ID, this.#free);
    this.#free = slot;
    this.#used -= 1;
  }

  #keep(index: number, at: number, flow: Flow): void {
    const views = this.#views[index] ?? new Array<Flow | null>(BLOCK_FLOWS).fill(null);
    this.#views[index] = views;
    views[at] = flow;
  }
}
