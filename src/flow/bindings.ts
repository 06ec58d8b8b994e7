import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import { WordRows } from '../join/word-rows.js';
import type { DirectionIndex } from './direction-index.js';
import type { Flow } from './flow.js';
import { FIRST_KEY, KEYS } from './flow-block.js';
import type { FlowSlots } from './flow-slots.js';

/** Tuples that one flow is known by, a tuple and its reverse counted once. */
export const KEY_LIMIT = 64;
const NONE = -1;

/* Words of a row. */
const NETNS = 0;
/** Slot of the flow, and in the lowest bit the direction of the tuple with an even number. */
const OWNER = 1;
/** Next row of the same pair; for a free row the next free one. */
const NEXT_OF_PAIR = 2;
const NEXT_OF_FLOW = 3;
const PAIR = 4;
const ROW_WORDS = 5;

/** Of a row, and of the pair's first row. */
export const BINDING_BYTES = ROW_WORDS * 4 + 4;

/**
 * That a tuple, seen in a namespace, belongs to a flow. The namespace counts because the
 * same addresses may mean another connection elsewhere.
 *
 * One row says it of a tuple and of its reverse, whose numbers differ in the lowest bit only.
 * Rows are found by the number: no hash, and nothing on the heap.
 */
export class Bindings {
  readonly #tuples: TupleTable;
  readonly #slots: FlowSlots;
  /** First row of each pair of tuples. */
  readonly #heads = new WordRows(1, NONE);
  readonly #rows = new WordRows(ROW_WORDS);
  #fresh = 0;
  #free = NONE;
  #size = 0;

  constructor(tuples: TupleTable, slots: FlowSlots) {
    this.#tuples = tuples;
    this.#slots = slots;
  }

  get size(): number {
    return this.#size;
  }

  /** The row of a tuple in a namespace; -1 for none. */
  find(tuple: Tuple, netns: number): number {
    const rows = this.#rows;
    const word = netns | 0;
    let row = this.#first(tuple);
    while (row >= 0 && rows.get(row, NETNS) !== word) {
      row = rows.get(row, NEXT_OF_PAIR);
    }
    return row;
  }

  /** The row by which a flow other than this one has the tuple; -1 for none or several flows. */
  elsewhere(tuple: Tuple, flow: Flow | null): number {
    const rows = this.#rows;
    const own = flow?.slot ?? NONE;
    let found = NONE;
    for (let row = this.#first(tuple); row >= 0; row = rows.get(row, NEXT_OF_PAIR)) {
      const slot = rows.get(row, OWNER) >> 1;
      if (slot !== own) {
        if (found >= 0 && rows.get(found, OWNER) >> 1 !== slot) {
          return NONE;
        }
        found = row;
      }
    }
    return found;
  }

  flow(row: number): Flow {
    return this.#slots.at(this.#rows.get(row, OWNER) >> 1) as Flow;
  }

  /** The direction that a tuple of the row's pair has in its flow. */
  direction(row: number, tuple: Tuple): DirectionIndex {
    const number = this.#tuples.numberOf(tuple);
    return ((this.#rows.get(row, OWNER) ^ number) & 1) as DirectionIndex;
  }

  /** Binds a tuple that is not bound in the namespace; false when the flow has too many. */
  add(flow: Flow, tuple: Tuple, netns: number, direction: DirectionIndex): boolean {
    if (flow.wordAt(KEYS) >= KEY_LIMIT) {
      return false;
    }
    const rows = this.#rows;
    const number = this.#tuples.hold(tuple);
    const row = this.#takeRow();
    const pair = number >> 1;
    this.#heads.reserve(pair + 1);
    rows.set(row, NETNS, netns);
    rows.set(row, OWNER, flow.slot * 2 + ((direction ^ number) & 1));
    rows.set(row, NEXT_OF_PAIR, this.#heads.get(pair, 0));
    rows.set(row, NEXT_OF_FLOW, flow.wordAt(FIRST_KEY));
    rows.set(row, PAIR, pair);
    this.#heads.set(pair, 0, row);
    flow.word(FIRST_KEY, row);
    flow.word(KEYS, flow.wordAt(KEYS) + 1);
    return true;
  }

  /** Takes every binding off a flow. */
  remove(flow: Flow): void {
    for (let row = flow.wordAt(FIRST_KEY); row >= 0; ) {
      const next = this.#rows.get(row, NEXT_OF_FLOW);
      this.#dropRow(row);
      row = next;
    }
    flow.word(FIRST_KEY, NONE);
    flow.word(KEYS, 0);
  }

  /** Gives every binding of one flow to another, past the limit too. */
  move(from: Flow, to: Flow, isTurned: boolean): void {
    const rows = this.#rows;
    let row = from.wordAt(FIRST_KEY);
    if (row < 0) {
      return;
    }
    for (let next: number; ; row = next) {
      const turned = (rows.get(row, OWNER) & 1) ^ (isTurned ? 1 : 0);
      rows.set(row, OWNER, to.slot * 2 + turned);
      next = rows.get(row, NEXT_OF_FLOW);
      if (next < 0) {
        break;
      }
    }
    rows.set(row, NEXT_OF_FLOW, to.wordAt(FIRST_KEY));
    to.word(FIRST_KEY, from.wordAt(FIRST_KEY));
    to.word(KEYS, to.wordAt(KEYS) + from.wordAt(KEYS));
    from.word(FIRST_KEY, NONE);
    from.word(KEYS, 0);
  }

  /** What was its original direction is its reply, and the other way round. */
  turn(flow: Flow): void {
    const rows = this.#rows;
    for (let row = flow.wordAt(FIRST_KEY); row >= 0; row = rows.get(row, NEXT_OF_FLOW)) {
      rows.set(row, OWNER, rows.get(row, OWNER) ^ 1);
    }
  }

  #first(tuple: Tuple): number {
    const pair = (tuple.interned ? tuple.id : this.#tuples.numberOf(tuple)) >> 1;
    return pair >= 0 && pair < this.#heads.length ? this.#heads.get(pair, 0) : NONE;
  }

  #takeRow(): number {
    let row = this.#free;
    if (row >= 0) {
      this.#free = this.#rows.get(row, NEXT_OF_PAIR);
    } else {
      row = this.#fresh++;
      this.#rows.reserve(this.#fresh);
    }
    this.#size += 1;
    return row;
  }

  #dropRow(row: number): void {
    const rows = this.#rows;
    const pair = rows.get(row, PAIR);
    const next = rows.get(row, NEXT_OF_PAIR);
    if (this.#heads.get(pair, 0) === row) {
      this.#heads.set(pair, 0, next);
    } else {
      let before = this.#heads.get(pair, 0);
      while (rows.get(before, NEXT_OF_PAIR) !== row) {
        before = rows.get(before, NEXT_OF_PAIR);
      }
      rows.set(before, NEXT_OF_PAIR, next);
    }
    this.#tuples.release(pair * 2);
    rows.set(row, NEXT_OF_PAIR, this.#free);
    this.#free = row;
    this.#size -= 1;
  }
}
