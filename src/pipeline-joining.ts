import type { PathJoiner } from './join/path-joiner.js';
import type { RecordCursor } from './wire/record-cursor.js';
import type { RecordQueue } from './wire/record-queue.js';

/** Of more records than this, what began within so long is joined at a time, ns. */
const STEP_RECORDS = 1_000;
const STEP_NS = 10e6;
/** And in no more steps than this, however far the time of a recording jumps. */
const STEPS = 1_000;

/** Joins the records that wait, in steps where they are many: whoever calls it has other work. */
export class Joining {
  readonly #queue: RecordQueue;
  readonly #joiner: PathJoiner;
  readonly #join: (record: RecordCursor) => void;
  /** Up to when records were joined. */
  #joined = Number.POSITIVE_INFINITY;
  /** Up to when they are to be, and how far each step goes, ns. */
  #until = Number.POSITIVE_INFINITY;
  #step = STEP_NS;

  constructor(queue: RecordQueue, joiner: PathJoiner, join: (record: RecordCursor) => void) {
    this.#queue = queue;
    this.#joiner = joiner;
    this.#join = join;
  }

  /**
   * Joins a step of what began before `time`; false when no step is left before that itself.
   *
   * @param relieve takes out what has come meanwhile, or the ring would fill up
   */
  advance(time: number, relieve = (): void => undefined): boolean {
    const queue = this.#queue;
    if (time !== this.#until) {
      this.#until = time;
      this.#step = Math.max(STEP_NS, (time - this.#joined) / STEPS);
    }
    const next = this.#joined + this.#step;
    if (!(next < time) || queue.waiting <= STEP_RECORDS) return false;
    this.#joined = next;
    queue.release(next, this.#join);
    this.#joiner.sweep(next);
    // Past its limit the queue would have to give records out before their time.
    if (queue.memory < queue.limit / 2) relieve();
    return true;
  }

  /** Joins what began before `time`, all of it. */
  release(time: number, relieve?: () => void): void {
    while (this.advance(time, relieve)) {
      // until the last step
    }
    this.#queue.release(time, this.#join);
    this.#joined = time;
  }
}
