import { enableStats, type Link } from 'ebpf-ts';

/** Between measurements, ms. With statistics each run of a program costs more, so they are short. */
export const COST_EVERY_MS = 30_000;

/** Counted since the programs were loaded. */
export interface Work {
  /** ns that programs have run while statistics were on. */
  readonly runTimeNs: bigint;
  readonly hops: number;
}

/**
 * Measures now and then how long the programs run for a hop. Statistics are on for the whole
 * machine while it measures, and never where that is not permitted.
 */
export class KernelCostMeter {
  readonly #work: () => Work;
  #stats: Link | null = null;
  #before: Work = { runTimeNs: 0n, hops: 0 };
  #due = 0;
  #refused = false;

  constructor(work: () => Work) {
    this.#work = work;
  }

  /** Begins if it is time; `now` in ms. */
  begin(now: number): void {
    if (this.#refused || this.#stats !== null || now < this.#due) return;
    try {
      this.#stats = enableStats();
    } catch {
      // Without CAP_SYS_ADMIN: the governor goes on with what was measured elsewhere.
      this.#refused = true;
      return;
    }
    this.#before = this.#work();
  }

  /** What came since `begin`; null when it was not begun. */
  end(now: number): { runTimeNs: number; hops: number } | null {
    if (this.#stats === null) return null;
    const { runTimeNs, hops } = this.#work();
    this.#stats.close();
    this.#stats = null;
    const made = hops - this.#before.hops;
    // With too little to see, again soon.
    this.#due = made < 100 ? now + COST_EVERY_MS / 10 : now + COST_EVERY_MS;
    return { runTimeNs: Number(runTimeNs - this.#before.runTimeNs), hops: made };
  }
}
