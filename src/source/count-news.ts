import type { CountTallies } from './count-tallies.js';

/** Entries made between two looks that are a burst: a connection has up to four, on two devices. */
export const BURST_ENTRIES = 8;
/** Resets and retransmissions are news again after so long without any, ns. */
export const TROUBLE_ANEW_NS = 1_000_000_000n;

/**
 * Decides by the counter's tallies whether something deserves a window: a burst of new flows, or
 * resets and retransmissions where there were none before. What goes on is no news.
 */
export class CountNews {
  #begun = 0;
  #trouble = 0;
  #lastTrouble = -TROUBLE_ANEW_NS;

  /** @param now CLOCK_MONOTONIC, ns; call it at each look */
  isNews({ begun, trouble }: Pick<CountTallies, 'begun' | 'trouble'>, now: bigint): boolean {
    const isBurst = begun - this.#begun >= BURST_ENTRIES;
    this.#begun = begun;
    if (trouble === this.#trouble) return isBurst;
    this.#trouble = trouble;
    const isAnew = now - this.#lastTrouble >= TROUBLE_ANEW_NS;
    this.#lastTrouble = now;
    return isBurst || isAnew;
  }
}
