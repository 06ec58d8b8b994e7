import type { RingBuffer } from 'ebpf-ts';
import { heartbeat } from '../heartbeat.js';
import type { SourceSink } from './source.js';

/** Bytes drained at once. */
const BATCH_BYTES = 1 << 20;
/**
 * Between two flushes while packets pass, and while none do. A trail that nothing ends is
 * seen this late at the most, and the ring has to hold what comes meanwhile. While drops
 * alone are traced, of which the kernel shows a bounded number, the next beat is soon enough.
 */
const BUSY_WAIT_MS = 20;
const IDLE_WAIT_MS = 50;
/** So much is taken out while what was read before is dealt with: not what two turns bring. */
export const RELIEF_BYTES = 2 << 20;
/** Batches taken before timers and sockets get their turn. */
const BATCHES_PER_TURN = 8;

export interface RingDrainOptions {
  readonly ring: RingBuffer;
  /** Hands over every trail that is still in a slot, on all CPUs; false when one may be left. */
  readonly flush: () => boolean;
  /** The same for the last time. */
  readonly finish?: () => boolean;
  /** Whether packets are traced, or drops alone are seen; absent: they always are. */
  readonly isOpen?: () => boolean;
  /** CLOCK_MONOTONIC, ns. */
  readonly now: () => bigint;
  readonly sink: SourceSink;
  /** Called with how many bytes wait, before they are read: joining them takes longer. */
  readonly onWaiting?: (bytes: number) => void;
  /** Bytes in the ring from which on it is relieved; RELIEF_BYTES when absent. */
  readonly reliefBytes?: number;
}

/**
 * Takes records out of the ring. From time to time it has all trails handed over: after
 * that, and once the ring is read up to there, all that began before has come, and the sink
 * gets a tick. Nothing in the kernel wakes it: a wake-up for each record halves a network's
 * throughput.
 */
export class RingDrain {
  readonly #options: RingDrainOptions;
  readonly #target = new Uint8Array(BATCH_BYTES);
  /** Calls off the next turn. */
  #cancel: () => void = () => undefined;
  /** Bytes of the ring to be read until all that began before `#flushed` has come. */
  #left = 0;
  #flushed = 0n;
  #records = 0;
  #stopped = false;
  #paused = false;

  constructor(options: RingDrainOptions) {
    this.#options = options;
  }

  start(): void {
    this.#turn();
  }

  /** Leaves everything in the ring until `resume`: for a moment in which time counts. */
  pause(): void {
    this.#paused = true;
    this.#cancel();
  }

  /** Goes on at once. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#cancel();
    if (!this.#stopped) this.#soon();
  }

  /** Takes what is left, once nothing is attached any more. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#flush(this.#options.finish);
    while (!this.#take(BATCHES_PER_TURN)) {
      // until the ring is read up to the flush
    }
  }

  #turn(): void {
    if (this.#stopped || this.#paused) {
      return;
    }
    if (this.#left === 0) {
      this.#flush();
    }
    const isRead = this.#take(BATCHES_PER_TURN);
    // What came may have asked for a pause.
    if (this.#paused) {
      return;
    }
    if (!isRead) {
      this.#soon();
      return;
    }
    if (this.#options.isOpen?.() === false) {
      this.#cancel = heartbeat.next(() => this.#turn());
      return;
    }
    const wait = this.#records > 0 ? BUSY_WAIT_MS : IDLE_WAIT_MS;
    const later = setTimeout(() => this.#turn(), wait);
    this.#cancel = () => clearTimeout(later);
  }

  #soon(): void {
    const soon = setImmediate(() => this.#turn());
    this.#cancel = () => clearImmediate(soon);
  }

  #flush(flush = this.#options.flush): void {
    const now = this.#options.now();
    if (flush()) {
      this.#flushed = now;
    }
    this.#left = this.#options.ring.available();
    this.#options.onWaiting?.(this.#left);
    this.#records = 0;
  }

  /** Takes some batches; true when the ring is read up to where it was at the flush. */
  #take(batches: number): boolean {
    const { ring, sink } = this.#options;
    for (let i = 0; i < batches && this.#left > 0; i++) {
      const { records, bytes } = ring.drain(this.#target);
      if (records === 0) {
        if (ring.available() > 0) {
          // A record that is still being written holds up those after it.
          return false;
        }
        this.#left = 0;
        break;
      }
      this.#records += records;
      this.#left = Math.max(0, this.#left - bytes);
      sink.batch(this.#target, bytes);
    }
    if (this.#left > 0) {
      return false;
    }
    sink.tick(this.#flushed, this.#relieve);
    return true;
  }

  /** While what was read is dealt with, more comes: takes it out before the ring is full. */
  readonly #relieve = (): void => {
    const { ring, sink, onWaiting, reliefBytes = RELIEF_BYTES } = this.#options;
    for (let i = 0; i < BATCHES_PER_TURN; i++) {
      const waiting = ring.available();
      if (waiting < reliefBytes || this.#paused || this.#stopped) return;
      onWaiting?.(waiting);
      const { records, bytes } = ring.drain(this.#target);
      if (records === 0) return;
      this.#records += records;
      sink.batch(this.#target, bytes);
    }
  };
}
