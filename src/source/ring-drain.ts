import { heartbeat } from '../heartbeat.js';
import type { RecordReader } from './ring-reader.js';

/**
 * Between two flushes while packets pass, and while none do. A trail that nothing ends is
 * seen this late at the most, and the ring has to hold what comes meanwhile. While drops
 * alone are traced, of which the kernel shows a bounded number, the next beat is soon enough.
 */
const BUSY_WAIT_MS = 20;
const IDLE_WAIT_MS = 50;
/** Between looks at how much waits, while the reader is at work. */
const WATCH_MS = 20;

export interface RingDrainOptions {
  /** Bytes that wait in the ring. */
  readonly available: () => number;
  readonly reader: RecordReader;
  /** Hands over every trail that is still in a slot, on all CPUs; false when one may be left. */
  readonly flush: () => boolean;
  /** The same for the last time. */
  readonly finish?: () => boolean;
  /** Whether packets are traced, or drops alone are seen; absent: they always are. */
  readonly isOpen?: () => boolean;
  /** CLOCK_MONOTONIC, ns. */
  readonly now: () => bigint;
  /** Called with how many bytes wait, before they are read: joining them takes longer. */
  readonly onWaiting?: (bytes: number) => void;
  /** Called when what began before `now` has been read and dealt with. */
  readonly onRead?: (now: bigint) => void;
}

/**
 * Has the ring read from time to time. Before, it has all trails handed over: once the ring is
 * read up to there, all that began before has come. Nothing in the kernel wakes it: a wake-up
 * for each record halves a network's throughput.
 */
export class RingDrain {
  readonly #options: RingDrainOptions;
  /** Calls off the next turn. */
  #cancel: () => void = () => undefined;
  #flushed = 0n;
  #reading: Promise<void> | null = null;
  #stopped = false;
  #paused = false;

  constructor(options: RingDrainOptions) {
    this.#options = options;
  }

  start(): void {
    this.#turn();
  }

  /** Leaves what comes in the ring until `resume`: for a moment in which time counts. */
  pause(): void {
    this.#paused = true;
    this.#cancel();
  }

  /** Goes on at once. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#cancel();
    if (this.#stopped || this.#reading !== null) return;
    const soon = setImmediate(() => this.#turn());
    this.#cancel = () => clearImmediate(soon);
  }

  /** Has what is left read, once nothing is attached any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#reading;
    await this.#read(this.#options.finish);
  }

  #turn(): void {
    if (this.#stopped || this.#paused) return;
    this.#reading = this.#read().then((records) => {
      this.#reading = null;
      this.#next(records);
    });
  }

  #next(records: number): void {
    // What came may have asked for a pause.
    if (this.#stopped || this.#paused) return;
    if (this.#options.isOpen?.() === false) {
      this.#cancel = heartbeat.next(() => this.#turn());
      return;
    }
    const later = setTimeout(() => this.#turn(), records > 0 ? BUSY_WAIT_MS : IDLE_WAIT_MS);
    this.#cancel = () => clearTimeout(later);
  }

  async #read(flush = this.#options.flush): Promise<number> {
    const { available, reader, now, onWaiting, onRead } = this.#options;
    const before = now();
    if (flush()) this.#flushed = before;
    const waiting = available();
    onWaiting?.(waiting);
    const watch = setInterval(() => onWaiting?.(available()), WATCH_MS);
    try {
      return await reader.read(waiting, this.#flushed);
    } finally {
      clearInterval(watch);
      onRead?.(this.#flushed);
    }
  }
}
