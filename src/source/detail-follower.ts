import type { HookDetail } from './hook-places.js';

/** Between looks at how much passes, ns. */
const LOOK_NS = 200_000_000n;
/** Packets traced a second from which on the edges of each hook suffice, and up to which all is seen. */
export const HEAVY_A_SECOND = 10_000;
export const LIGHT_A_SECOND = 2_500;
/** So long it must have been light, and nobody may have asked for a flow, ns. */
const CALM_NS = 3_000_000_000n;

export interface Followed {
  /** Trails handed over so far. */
  trails(): number;
  /** CLOCK_MONOTONIC, ns. */
  now(): bigint;
  setDetail(detail: HookDetail): void;
  /** Paths that begin from `at` on have this detail, and those under way no more than both. */
  onDetail(at: bigint, detail: HookDetail): void;
}

/**
 * Where every packet is traced: sees of each netfilter hook every place while traffic is light,
 * and the first and the last while it is heavy. The others are a third of what programs cost.
 */
export class DetailFollower {
  readonly #on: Followed;
  #detail: HookDetail = 'all';
  #last: { readonly at: bigint; readonly trails: number } | null = null;
  #heavyAt = 0n;
  #requestedAt: bigint | null = null;

  constructor(on: Followed) {
    this.#on = on;
  }

  /** Somebody looks at a flow: that wants every place for a while, whatever it costs. */
  request(): void {
    this.#requestedAt = this.#on.now();
  }

  /** Call it again and again; it looks when it is time. */
  look(): void {
    const at = this.#on.now();
    if (this.#last !== null && at - this.#last.at < LOOK_NS) return;
    const last = this.#last;
    this.#last = { at, trails: this.#on.trails() };
    if (last === null) return;
    const rate = ((this.#last.trails - last.trails) * 1e9) / Number(at - last.at);
    if (rate > LIGHT_A_SECOND) this.#heavyAt = at;
    const isRequested = this.#requestedAt !== null && at - this.#requestedAt < CALM_NS;
    if (this.#detail === 'all' && rate >= HEAVY_A_SECOND && !isRequested) {
      this.#detail = 'edges';
      this.#on.setDetail('edges');
      this.#on.onDetail(at, 'edges');
    } else if (this.#detail === 'edges' && (isRequested || at - this.#heavyAt >= CALM_NS)) {
      this.#detail = 'all';
      this.#on.setDetail('all');
      this.#on.onDetail(this.#on.now(), 'all');
    }
  }
}
