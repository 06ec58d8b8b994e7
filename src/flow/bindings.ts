import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import type { DirectionIndex } from './direction-index.js';
import type { Flow } from './flow.js';
import { FIRST_KEY, KEYS } from './flow-block.js';
import type { FlowSlots } from './flow-slots.js';

/** Tuples that one flow is known by, a tuple and its reverse counted once. */
export const KEY_LIMIT = 64;
const INITIAL_ROWS = 256;
const NONE = -1;

/**
 * That a tuple, seen in a namespace, belongs to a flow. The namespace counts because the
 * same addresses may mean another connection elsewhere.
 *
 * One row says it of a tuple and of its reverse, whose ids differ in the lowest bit only.
 * Rows are found by the id: no hash, and nothing on the heap but the tuple.
 */
export class Bindings {
  readonly #tuples: TupleTable;
  readonly #slots: FlowSlots;
  /** First row of each pair of tuples. */
  #heads = new Int32Array(INITIAL_ROWS).fill(NONE);
  #netns = new Uint32Array(INITIAL_ROWS);
  /** Slot of the flow, and in the lowest bit the direction of the tuple with an even id. */
  #owner = new Int32Array(INITIAL_ROWS);
  /** Next row of the same pair; for a free row the next free one. */
  #nextOfPair = new Int32Array(INITIAL_ROWS);
  #nextOfFlow = new Int32Array(INITIAL_ROWS);
  readonly #tuple: (Tuple | null)[] = [];
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
    const { id } = tuple;
    // A tuple that no table has gives an index that no array has.
    let row = this.#heads[id >> 1] ?? NONE;
    while (row >= 0 && this.#netns[row] !== netns) {
      row = this.#nextOfPair[row] as number;
    }
    return row;
  }

  /** The row by which a flow other than this one has the tuple; -1 for none or several flows. */
  elsewhere(tuple: Tuple, flow: Flow | null): number {
    let found = NONE;
    for (let row = this.#heads[tuple.id >> 1] ?? NONE; row >= 0; ) {
      const other = this.flow(row);
      if (other !== flow) {
        if (found >= 0 && this.flow(found) !== other) {
          return NONE;
        }
        found = row;
      }
      row = this.#nextOfPair[row] as number;
    }
    return found;
  }

  flow(row: number): Flow {
    return this.#slots.at((this.#owner[row] as number) >> 1) as Flow;
  }

  /** The direction that a tuple of the row's pair has in its flow. */
  direction(row: number, tuple: Tuple): DirectionIndex {
    return (((this.#owner[row] as number) ^ tuple.id) & 1) as DirectionIndex;
  }

  /** Binds a tuple that is not bound in the namespace; false when it cannot be. */
  add(flow: Flow, tuple: Tuple, netns: number, direction: DirectionIndex): boolean {
    if (tuple.id < 0 || flow.wordAt(KEYS) >= KEY_LIMIT) {
      return false;
    }
    const row = this.#takeRow();
    const pair = tuple.id >> 1;
    if (pair >= this.#heads.length) {
      this.#heads = grown(this.#heads, Math.max(pair + 1, this.#heads.length * 2), NONE);
    }
    this.#netns[row] = netns;
    this.#owner[row] = flow.slot * 2 + ((direction ^ tuple.id) & 1);
    this.#nextOfPair[row] = this.#heads[pair] as number;
    this.#heads[pair] = row;
    this.#nextOfFlow[row] = flow.wordAt(FIRST_KEY);
    flow.word(FIRST_KEY, row);
    flow.word(KEYS, flow.wordAt(KEYS) + 1);
    this.#tuple[row] = tuple;
    this.#tuples.hold(tuple);
    return true;
  }

  /** Takes every binding off a flow. */
  remove(flow: Flow): void {
    for (let row = flow.wordAt(FIRST_KEY); row >= 0; ) {
      const next = this.#nextOfFlow[row] as number;
      this.#dropRow(row);
      row = next;
    }
    flow.word(FIRST_KEY, NONE);
    flow.word(KEYS, 0);
  }

  /** Gives every binding of one flow to another, past the limit too. */
  move(from: Flow, to: Flow, isTurned: boolean): void {
    let row = from.wordAt(FIRST_KEY);
    if (row < 0) {
      return;
    }
    for (let last = NONE; row >= 0; row = this.#nextOfFlow[row] as number) {
      const turned = ((this.#owner[row] as number) & 1) ^ (isTurned ? 1 : 0);
      this.#owner[row] = to.slot * 2 + turned;
      last = row;
      if ((this.#nextOfFlow[last] as number) < 0) {
        this.#nextOfFlow[last] = to.wordAt(FIRST_KEY);
        break;
      }
    }
    to.word(FIRST_KEY, from.wordAt(FIRST_KEY));
    to.word(KEYS, to.wordAt(KEYS) + from.wordAt(KEYS));
    from.word(FIRST_KEY, NONE);
    from.word(KEYS, 0);
  }

  /** What was its original direction is its reply, and the other way round. */
  turn(flow: Flow): void {
    for (let row = flow.wordAt(FIRST_KEY); row >= 0; row = this.#nextOfFlow[row] as number) {
      this.#owner[row] = (this.#owner[row] as number) ^ 1;
    }
  }

  #takeRow(): number {
    const row = this.#free;
    if (row >= 0) {
      this.#free = this.#nextOfPair[row] as number;
      this.#size += 1;
      return row;
    }
    const fresh = this.#tuple.length;
    if (fresh >= this.#netns.length) {
      const rows = Math.ceil(fresh * 1.5);
      this.#owner = grown(this.#owner, rows, 0);
      this.#nextOfPair = grown(this.#nextOfPair, rows, NONE);
      this.#nextOfFlow = grown(this.#nextOfFlow, rows, NONE);
      const netns = new Uint32Array(rows);
      netns.set(this.#netns);
      this.#netns = netns;
    }
    this.#tuple.push(null);
    this.#size += 1;
    return fresh;
  }

  #dropRow(row: number): void {
    const tuple = this.#tuple[row] as Tuple;
    const pair = tuple.id >> 1;
    const next = this.#nextOfPair[row] as number;
    if (this.#heads[pair] === row) {
      this.#heads[pair] = next;
    } else {
      let before = this.#heads[pair] as number;
      while (this.#nextOfPair[before] !== row) {
        before = this.#nextOfPair[before] as number;
      }
      this.#nextOfPair[before] = next;
    }
    this.#tuple[row] = null;
    this.#tuples.release(tuple);
    this.#nextOfPair[row] = this.#free;
    this.#free = row;
    this.#size -= 1;
  }
}

function grown(
  column: Int32Array<ArrayBuffer>,
  length: number,
  filling: number,
): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length);
  larger.set(column);
  larger.fill(filling, column.length);
  return larger;
}
