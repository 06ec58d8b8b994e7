import type { PathRecord } from 'hopscope-protocol';
import type { RuleReading, ToExplain } from '../pipeline-rules.js';

/** Paths that wait for their rules; past it the oldest goes on without. */
export const HELD_LIMIT = 10_000;
/** How long one waits, ms: rules that change without a sign are read once a second. */
const HOLD_MS = 5_000;
const LOOK_MS = 50;

/** Keeps paths, in their order, until it is known which rules were in force when they passed. */
export class HeldPaths {
  readonly #rules: RuleReading;
  readonly #onPath: (record: PathRecord) => void;
  readonly #held: { readonly path: ToExplain; readonly until: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(rules: RuleReading, onPath: (record: PathRecord) => void) {
    this.#rules = rules;
    this.#onPath = onPath;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  add(path: ToExplain): void {
    if (this.#held.length >= HELD_LIMIT) this.#hurry();
    this.#held.push({ path, until: Date.now() + HOLD_MS });
  }

  /** Nothing more comes. */
  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.#rules.settled();
    while (this.#held.length > 0) this.#release();
  }

  #look(): void {
    const now = Date.now();
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      const isReady = this.#rules.isReady(first.path);
      if (first.until > now && !isReady) return;
      if (isReady) this.#release();
      else this.#hurry();
    }
  }

  #hurry(): void {
    this.#rules.counters.pathsHurried += 1;
    this.#release();
  }

  #release(): void {
    const first = this.#held.shift();
    if (first === undefined) return;
    this.#onPath(this.#rules.explained(first.path));
  }
}
