import type { Path } from './path.js';

/** Times this close together are one slot, ns. */
const SLOT_NS = 8e6;
/** A power of two; together longer than any path is waited for. */
const SLOTS = 256;
/** Entries from which on those that mean nothing any more are looked for. */
export const COMPACT_LEAST = 4_096;

/**
 * Open paths by when they are to be looked at next: what is due is found without a look at
 * all the others. A path is in one slot; one whose time has moved on is filed again when its
 * slot is due.
 */
export class SettleWheel {
  readonly #slots: Path[][] = Array.from({ length: SLOTS }, () => []);
  #swept = Number.NEGATIVE_INFINITY;
  #filed = 0;
  #compactAt = COMPACT_LEAST;

  /** Entries, of paths that have ended meanwhile too. */
  get filed(): number {
    return this.#filed;
  }

  /** Files a path for `time`, or for the end of the wheel where that is sooner. */
  schedule(path: Path, time: number): void {
    if (this.#swept === Number.NEGATIVE_INFINITY) {
      this.#swept = tick(path.lastTime) - 1;
    }
    const at = Math.min(Math.max(tick(time), this.#swept + 1), this.#swept + SLOTS);
    if (path.dueTick === at) {
      return;
    }
    path.dueTick = at;
    (this.#slots[at & (SLOTS - 1)] as Path[]).push(path);
    this.#filed += 1;
    if (this.#filed > this.#compactAt) {
      this.#compact();
    }
  }

  /**
   * Takes out the paths whose time is about to come by `now`, within one slot: whoever asks
   * looks which are over, and files the others again.
   */
  due(now: number): Path[] {
    const until = tick(now);
    if (this.#swept === Number.NEGATIVE_INFINITY || until <= this.#swept) {
      return [];
    }
    const found: Path[] = [];
    const from = Math.max(this.#swept + 1, until - SLOTS + 1);
    for (let at = from; at <= until; at++) {
      const slot = this.#slots[at & (SLOTS - 1)] as Path[];
      for (const path of slot) {
        // Else it is over, or was filed for another time meanwhile.
        if (path.isOpen && path.dueTick <= until) {
          path.dueTick = Number.POSITIVE_INFINITY;
          found.push(path);
        }
      }
      this.#filed -= slot.length;
      slot.length = 0;
    }
    // The last slot is not over yet: what is filed now may be due in it.
    this.#swept = until - 1;
    return found;
  }

  /** Takes out what was evicted or filed anew: else a flood of them would be kept until due. */
  #compact(): void {
    this.#filed = 0;
    for (const [at, slot] of this.#slots.entries()) {
      const kept = slot.filter(
        ({ isOpen, dueTick }) => isOpen && ((dueTick - at) & (SLOTS - 1)) === 0,
      );
      this.#slots[at] = kept;
      this.#filed += kept.length;
    }
    this.#compactAt = Math.max(COMPACT_LEAST, 2 * this.#filed);
  }
}

function tick(time: number): number {
  return Math.floor(time / SLOT_NS);
}
