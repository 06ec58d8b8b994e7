import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import type { Traced } from './traced.js';

/** Flows whose numbers share one block. */
export const BLOCK_FLOWS = 1_024;

/** Doubles of a flow: its times and version, then five for each direction. */
export const START = 0;
export const LAST = 1;
export const VERSION = 2;
export const COUNTS = 3;
/** Offsets from COUNTS + direction * COUNTS_OF_DIRECTION. */
export const SOURCE_PACKETS = 0;
export const SOURCE_BYTES = 1;
export const SOURCE_FIRST = 2;
export const DESTINATION_PACKETS = 3;
export const DESTINATION_FIRST = 4;
export const COUNTS_OF_DIRECTION = 5;
export const DOUBLES = COUNTS + 2 * COUNTS_OF_DIRECTION;

/** Words of a flow. The lists it is in are chained by slot numbers, -1 at their ends. */
export const ID_HIGH = 0;
export const ID_LOW = 1;
export const OLDER = 2;
export const NEWER = 3;
export const NEXT_BY_ID = 4;
export const WHEEL_NEXT = 5;
export const WHEEL_PREVIOUS = 6;
export const FIRST_KEY = 7;
export const KEYS = 8;
/** Of each direction. */
export const LARGEST = 9;
/** See flow.ts. */
export const STATUS = LARGEST + 2;
/** What the table has put to its account; see flow-size.ts. */
export const BYTES = STATUS + 1;
/** Where it is counted: source and destination of each direction; 0 for nowhere. */
export const POINTS = BYTES + 1;
/** Numbers of its tuples; -1 for a reply that was not seen. */
export const ORIGINAL_TUPLE = POINTS + 4;
export const REPLY_TUPLE = ORIGINAL_TUPLE + 1;
/** For a reader that shows flows in turn: when it was shown last. */
export const SHOWN = REPLY_TUPLE + 1;
/** Of a flow that has ended: when, see ended-flows.ts; 0 of one that goes on. */
export const ENDED = SHOWN + 1;
export const WORDS = ENDED + 1;

/** Whether a flow is in no place of the wheel: its WHEEL_NEXT. */
export const NOT_IN_WHEEL = -2;
/** Whether a slot is no flow's: its NEWER. The next free one is in NEXT_BY_ID. */
export const FREE_SLOT = -2;

/**
 * The numbers of many flows side by side. As fields of a million objects they would take
 * three times as much: V8 boxes a double, and keeps a small integer in 8 bytes. And what is
 * no object keeps nobody waiting while the garbage collector visits a million of them.
 */
export class FlowBlock {
  readonly tuples: TupleTable;
  readonly doubles: Float64Array;
  readonly words: Int32Array;
  /** Slot of its first flow; -1 when its flow has left the table. */
  readonly firstSlot: number;
  /** Flows in it, slots that were never one's, and the newest slot that is free again. */
  used = 0;
  fresh = 0;
  free = -1;
  /** What paths showed of its flows; null while no path was seen of any. */
  traced: (Traced | null)[] | null = null;
  /** The tuples of a flow that has left the table. */
  leftOriginal: Tuple | null = null;
  leftReply: Tuple | null = null;

  constructor(tuples: TupleTable, firstSlot: number, doubles: Float64Array, words: Int32Array) {
    this.tuples = tuples;
    this.firstSlot = firstSlot;
    this.doubles = doubles;
    this.words = words;
  }

  static of(tuples: TupleTable, firstSlot: number): FlowBlock {
    return new FlowBlock(
      tuples,
      firstSlot,
      new Float64Array(BLOCK_FLOWS * DOUBLES),
      new Int32Array(BLOCK_FLOWS * WORDS),
    );
  }

  setTraced(at: number, traced: Traced | null): void {
    this.traced ??= new Array<Traced | null>(this.firstSlot < 0 ? 1 : BLOCK_FLOWS).fill(null);
    this.traced[at] = traced;
  }

  /** Prepares the place of a flow that begins. */
  clear(at: number): void {
    const { words } = this;
    this.doubles.fill(0, at * DOUBLES, (at + 1) * DOUBLES);
    words.fill(0, at * WORDS, (at + 1) * WORDS);
    words.fill(-1, at * WORDS + OLDER, at * WORDS + FIRST_KEY + 1);
    words.fill(-1, at * WORDS + ORIGINAL_TUPLE, at * WORDS + REPLY_TUPLE + 1);
    words[at * WORDS + WHEEL_NEXT] = NOT_IN_WHEEL;
  }

  /** The numbers of one flow by themselves, for a flow that leaves the table. */
  alone(at: number): FlowBlock {
    // One buffer, since V8 does much for each.
    const numbers = new ArrayBuffer(DOUBLES * 8 + WORDS * 4);
    const doubles = new Float64Array(numbers, 0, DOUBLES);
    doubles.set(this.doubles.subarray(at * DOUBLES, (at + 1) * DOUBLES));
    const words = new Int32Array(numbers, DOUBLES * 8, WORDS);
    words.set(this.words.subarray(at * WORDS, (at + 1) * WORDS));
    const alone = new FlowBlock(this.tuples, -1, doubles, words);
    const original = this.words[at * WORDS + ORIGINAL_TUPLE] as number;
    const reply = this.words[at * WORDS + REPLY_TUPLE] as number;
    alone.leftOriginal = this.tuples.at(original);
    alone.leftReply = reply < 0 ? null : this.tuples.at(reply);
    const traced = this.traced?.[at] ?? null;
    if (traced !== null) {
      alone.setTraced(0, traced);
    }
    return alone;
  }
}
