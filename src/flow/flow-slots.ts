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

const BLOCK_SHIFT = Math.log2(BLOCK_FLOWS);
const BLOCK_MASK = BLOCK_FLOWS - 1;

/**
 * The flows by slot number, in blocks of their numbers. Slots are used again; a block without
 * a flow is given up, since flows that come later may need the memory for what paths show.
 */
export class FlowSlots {
  readonly #tuples: TupleTable;
  readonly #blocks: (FlowBlock | null)[] = [];
  /** The views of flows that were traced, block by block. */
  readonly #views: ((Flow | null)[] | null)[] = [];
  /** Blocks with room, the one to be filled first last, and places of blocks given up. */
  readonly #open: number[] = [];
  readonly #vacant: number[] = [];
  #used = 0;

  constructor(tuples: TupleTable) {
    this.#tuples = tuples;
  }

  get size(): number {
    return this.#used;
  }

  /** Slots there are, free ones among them. */
  get end(): number {
    return this.#blocks.length * BLOCK_FLOWS;
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
    const block = this.#blocks[index] ?? null;
    if (block === null || at >= block.fresh || block.words[at * WORDS + NEWER] === FREE_SLOT) {
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

  allocate(original: Tuple): Flow {
    const block = this.#blockWithRoom();
    let at = block.free;
    if (at >= 0) {
      block.free = block.words[at * WORDS + NEXT_BY_ID] as number;
    } else {
      at = block.fresh++;
    }
    block.used += 1;
    if (block.used === BLOCK_FLOWS) {
      this.#open.pop();
    }
    block.clear(at);
    const flow = new Flow(block, at);
    flow.begin(original);
    this.#used += 1;
    return flow;
  }

  /**
   * Its slot may be another's.
   *
   * @param isShown whether somebody looks at it still: it keeps its numbers, as one that was
   * traced does in any case
   */
  release(flow: Flow, isShown: boolean): void {
    const { slot, at, block } = flow;
    const index = slot >>> BLOCK_SHIFT;
    const views = this.#views[index] ?? null;
    const view = views?.[at] ?? null;
    if (isShown || view !== null) {
      const alone = block.alone(at);
      flow.block = alone;
      flow.at = 0;
      if (view !== null && views !== null) {
        view.block = alone;
        view.at = 0;
        views[at] = null;
      }
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
    this.setWord(slot, NEXT_BY_ID, block.free);
    block.free = at;
    if (block.used === BLOCK_FLOWS) {
      this.#open.push(index);
    }
    block.used -= 1;
    this.#used -= 1;
    if (block.used === 0) {
      this.#giveUp(index);
    }
  }

  #blockWithRoom(): FlowBlock {
    const open = this.#open.at(-1);
    if (open !== undefined) {
      return this.#blocks[open] as FlowBlock;
    }
    const index = this.#vacant.pop() ?? this.#blocks.length;
    const block = FlowBlock.of(this.#tuples, index * BLOCK_FLOWS);
    this.#blocks[index] = block;
    this.#views[index] = null;
    this.#open.push(index);
    return block;
  }

  /** The last one with room stays: else one flow that comes and goes made a block each time. */
  #giveUp(index: number): void {
    if (this.#open.length > 1) {
      this.#open.splice(this.#open.indexOf(index), 1);
      this.#blocks[index] = null;
      this.#views[index] = null;
      this.#vacant.push(index);
    }
  }

  #keep(index: number, at: number, flow: Flow): void {
    const views = this.#views[index] ?? new Array<Flow | null>(BLOCK_FLOWS).fill(null);
    this.#views[index] = views;
    views[at] = flow;
  }
}
