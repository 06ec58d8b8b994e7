import type { Flow } from '../flow/flow.js';

/** Slots that are empty at the front before the rest moves up. */
const COMPACT_AT = 4096;

/** First in, first out, up to a limit. */
export class FlowQueue {
  readonly #limit: number;
  #flows: (Flow | null)[] = [];
  #head = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#flows.length - this.#head;
  }

  /** False when it is full. */
  push(flow: Flow): boolean {
    if (this.size >= this.#limit) return false;
    this.#flows.push(flow);
    return true;
  }

  shift(): Flow | null {
    const flow = this.#flows[this.#head] ?? null;
    if (flow === null) return null;
    this.#flows[this.#head] = null;
    this.#head += 1;
    if (this.#head === this.#flows.length) {
      this.clear();
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#flows.length) {
      this.#flows = this.#flows.slice(this.#head);
      this.#head = 0;
    }
    return flow;
  }

  clear(): void {
    this.#flows = [];
    this.#head = 0;
  }
}
