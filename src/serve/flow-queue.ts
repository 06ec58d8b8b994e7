const INITIAL_CAPACITY = 1_024;

/** Slots of flows, first in, first out, up to a limit. A ring that grows as it is needed. */
export class FlowQueue {
  readonly #limit: number;
  #slots: Int32Array;
  #head = 0;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
    this.#slots = new Int32Array(Math.min(limit, INITIAL_CAPACITY));
  }

  get size(): number {
    return this.#size;
  }

  get byteLength(): number {
    return this.#slots.byteLength;
  }

  /** False when it is full. */
  push(slot: number): boolean {
    if (this.#size >= this.#limit) return false;
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) % this.#slots.length] = slot;
    this.#size += 1;
    return true;
  }

  /** -1 when it is empty. */
  shift(): number {
    if (this.#size === 0) return -1;
    const slot = this.#slots[this.#head] as number;
    this.#head = (this.#head + 1) % this.#slots.length;
    this.#size -= 1;
    return slot;
  }

  clear(): void {
    this.#head = 0;
    this.#size = 0;
  }

  #grow(): void {
    const slots = this.#slots;
    const larger = new Int32Array(Math.min(this.#limit, slots.length * 2));
    larger.set(slots.subarray(this.#head));
    larger.set(slots.subarray(0, this.#head), slots.length - this.#head);
    this.#slots = larger;
    this.#head = 0;
  }
}
