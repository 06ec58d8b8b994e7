import type { Flow } from '../flow/flow.js';
import type { FlowTable } from '../flow/flow-table.js';
import { FlowQueue } from './flow-queue.js';
import {
  REMOVED_PENDING_LIMIT,
  REMOVED_PER_TICK,
  ROW_QUEUE_LIMIT,
  ROW_TABLE_LIMIT,
  ROWS_PER_TICK,
} from './limits.js';
import * as layout from './row-layout.js';
import { type RowBuffer, writeId, writeRow } from './row-writer.js';

/** Bits of `Flow.shown` below the number of the current round; see `#bits`. */
const QUEUED = 1;
const SENT = 2;
const ROUND = 4;
const NOTHING: readonly number[] = [];

export interface RowFeedLimits {
  readonly rows?: number;
  readonly queue?: number;
  readonly table?: number;
}

/**
 * Rows of changed flows for the server process, a bounded number at a time.
 *
 * A flow that changes waits in line once, and is sent as it is when its turn comes. So
 * one that changes all the time does not go to the end of the line each time it does,
 * and none is sent twice before all that waited were sent: the order is that of when a
 * row was last sent. Flows never sent before have a line of their own, so that a flood
 * of new ones leaves half of a batch to the known ones, and the other way round; while
 * a table begins anew, what fills it has a quarter.
 *
 * It reads the table's order of changes and nothing else, and one feed is all a table
 * can have, since what it knows of a flow is kept in `Flow.shown`.
 */
export class RowFeed {
  /** Changed flows that found the line full, and are sent when they change again. */
  skipped = 0;
  /** Times that all rows were sent anew because removals were forgotten. */
  restarted = 0;
  readonly #flows: FlowTable;
  readonly #limit: number;
  readonly #tableLimit: number;
  readonly #known: FlowQueue;
  readonly #fresh: FlowQueue;
  /** Rows of a table that begins anew, the newest change first, and how far they were sent. */
  #fill = NOTHING;
  #filled = 0;
  #removed: string[] = [];
  #round = 0;
  #seen = 0;
  #reset = true;
  readonly #buffer: ArrayBuffer;
  readonly #to: RowBuffer;
  #rows = 0;

  constructor(flows: FlowTable, limits: RowFeedLimits = {}) {
    this.#flows = flows;
    this.#limit = limits.rows ?? ROWS_PER_TICK;
    this.#tableLimit = limits.table ?? ROW_TABLE_LIMIT;
    this.#known = new FlowQueue(limits.queue ?? ROW_QUEUE_LIMIT);
    this.#fresh = new FlowQueue(limits.queue ?? ROW_QUEUE_LIMIT);
    this.#buffer = new ArrayBuffer(
      layout.BATCH_BYTES + this.#limit * layout.ROW_BYTES + REMOVED_PER_TICK * 8,
    );
    this.#to = { words: new Uint32Array(this.#buffer), floats: new Float64Array(this.#buffer) };
  }

  /** Begins anew: the next batches bring the rows that changed last, the newest first. */
  restart(): void {
    this.#round += 1;
    this.#reset = true;
    this.#known.clear();
    this.#fresh.clear();
    this.#removed = [];
    this.#seen = this.#flows.version;
    this.#fill = this.#flows.liveFirst(this.#tableLimit);
    this.#filled = 0;
  }

  /** Forgets all, when nobody watches. */
  clear(): void {
    this.restart();
    this.#fill = NOTHING;
  }

  /**
   * The next batch, laid out as row-layout.ts says. It lies in a buffer that the next
   * call writes over. `time`: monotonic milliseconds.
   */
  batch(time: number): Uint8Array {
    this.#note();
    const { words, floats } = this.#to;
    this.#rows = 0;
    // Each kind has its share, and what one leaves the others take.
    this.#sendFill(this.#limit >> 2);
    this.#send(this.#known, (this.#limit - this.#rows) >> 1);
    this.#send(this.#fresh, this.#limit);
    this.#send(this.#known, this.#limit);
    this.#sendFill(this.#limit);
    let word = layout.BATCH_WORDS + this.#rows * layout.ROW_WORDS;
    const removed = this.#removed.splice(0, REMOVED_PER_TICK);
    for (const id of removed) {
      writeId(id, words, word);
      word += 2;
    }
    words[layout.BATCH_ROWS] = this.#rows;
    words[layout.BATCH_REMOVED] = removed.length;
    words[layout.BATCH_TOTAL] = this.#flows.size + this.#flows.ended;
    words[layout.BATCH_ENDED] = this.#flows.ended;
    words[layout.BATCH_BEHIND] = this.#known.size + this.#fresh.size;
    words[layout.BATCH_RESET] = this.#reset ? 1 : 0;
    floats[layout.BATCH_TIME] = time;
    floats[layout.BATCH_NEWEST] = this.#flows.newest?.last ?? 0;
    this.#reset = false;
    return new Uint8Array(this.#buffer, 0, word * 4);
  }

  /** Puts what changed since the last look in line, the oldest change first. */
  #note(): void {
    const removed = this.#flows.removedSince(this.#seen);
    if (removed === null || this.#removed.length + removed.length > REMOVED_PENDING_LIMIT) {
      this.restarted += 1;
      this.restart();
      return;
    }
    for (const id of removed) this.#removed.push(id);
    const changed = this.#flows.newestSlots(this.#seen, this.#tableLimit + 1);
    if (changed.length > this.#tableLimit) this.skipped += 1;
    this.#seen = this.#flows.version;
    for (let i = Math.min(changed.length, this.#tableLimit) - 1; i >= 0; i--) {
      const slot = changed[i] as number;
      const bits = this.#bits(slot);
      if ((bits & QUEUED) !== 0) continue;
      const sent = bits & SENT;
      if ((sent === 0 ? this.#fresh : this.#known).push(slot)) {
        this.#mark(slot, sent | QUEUED);
      } else {
        this.skipped += 1;
      }
    }
  }

  #send(queue: FlowQueue, most: number): void {
    for (let sent = 0; sent < most && this.#rows < this.#limit; ) {
      const slot = queue.shift();
      if (slot < 0) return;
      // It may have left the table while it waited, and another flow have the slot.
      const flow = this.#flows.at(slot);
      if (flow === null || (this.#bits(slot) & QUEUED) === 0) continue;
      this.#write(flow, false);
      sent += 1;
    }
  }

  #sendFill(most: number): void {
    for (let sent = 0; sent < most && this.#rows < this.#limit; ) {
      const slot = this.#fill[this.#filled];
      if (slot === undefined) {
        this.#fill = NOTHING;
        this.#filled = 0;
        return;
      }
      this.#filled += 1;
      // Another flow that has the slot by now is in line by itself.
      const flow = this.#flows.at(slot);
      if (flow === null || this.#bits(slot) !== 0) continue;
      this.#write(flow, true);
      sent += 1;
    }
  }

  #write(flow: Flow, old: boolean): void {
    const word = layout.BATCH_WORDS + this.#rows * layout.ROW_WORDS;
    writeRow(flow, this.#to, word, old);
    this.#mark(flow.slot, SENT);
    this.#rows += 1;
  }

  /** What is known of a flow in this round; of an earlier round nothing counts. */
  #bits(slot: number): number {
    const from = this.#round * ROUND;
    const shown = this.#flows.shownAt(slot);
    return shown >= from ? shown - from : 0;
  }

  #mark(slot: number, bits: number): void {
    this.#flows.markShown(slot, this.#round * ROUND + bits);
  }
}
