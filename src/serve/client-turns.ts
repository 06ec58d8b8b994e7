import type { ClientSession } from './client-session.js';
import { LOOKS_LEAST, LOOKS_PER_TICK, TICK_BUDGET_MS } from './limits.js';
import type { ServeCounters } from './serve-counters.js';

/**
 * Clients get what is new in turn. Once they have taken the time that a tick may take, the
 * others wait, and are the first at the next one: so many clients, or filters that take long,
 * make messages seldom, and keep nobody waiting who asks for something else.
 */
export class ClientTurns {
  readonly #counters: ServeCounters;
  readonly #clock: () => number;
  /** The one whose turn is next first, with the number of the figures that it has. */
  readonly #served = new Map<ClientSession, number>();
  #quality: string | null = null;
  #number = 0;

  /** @param clock monotonic milliseconds */
  constructor(counters: ServeCounters, clock: () => number) {
    this.#counters = counters;
    this.#clock = clock;
  }

  get size(): number {
    return this.#served.size;
  }

  add(session: ClientSession): void {
    this.#served.set(session, this.#number);
  }

  delete(session: ClientSession): void {
    this.#served.delete(session);
  }

  [Symbol.iterator](): Iterator<ClientSession> {
    return this.#served.keys();
  }

  /** @param quality the message with new figures at a slow tick, else null */
  tick(quality: string | null): void {
    if (quality !== null) {
      this.#quality = quality;
      this.#number += 1;
    }
    const begun = this.#clock();
    const looks = Math.max(LOOKS_LEAST, Math.floor(LOOKS_PER_TICK / this.size));
    let left = this.size;
    for (const [session, number] of [...this.#served]) {
      if (left < this.size && this.#clock() - begun > TICK_BUDGET_MS) break;
      left -= 1;
      this.#served.delete(session);
      this.#served.set(session, this.#number);
      session.tick({ looks, quality: number === this.#number ? null : this.#quality });
    }
    this.#counters.ticksDelayed += left;
  }
}
