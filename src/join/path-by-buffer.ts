import type { Path } from './path.js';

/** A power of two. */
const NEAR_SLOTS = 1_024;

/**
 * Open paths by the address of their buffer. A packet's hops come close together, so
 * most look-ups end in a small table that, unlike a Map, makes no number of its key.
 * The owner removes every path that has ended: its limit on open paths bounds this.
 */
export class PathByBuffer {
  readonly #paths = new Map<number, Path>();
  readonly #near: (Path | null)[] = new Array(NEAR_SLOTS).fill(null);

  get(skb: number): Path | undefined {
    const slot = nearSlot(skb);
    const near = this.#near[slot];
    if (near != null && near.skb === skb) {
      return near;
    }
    const path = this.#paths.get(skb);
    if (path !== undefined) {
      this.#near[slot] = path;
    }
    return path;
  }

  /** Files a path under the buffer it is in; what was there gives way. */
  set(path: Path): void {
    this.#paths.set(path.skb, path);
    this.#near[nearSlot(path.skb)] = path;
  }

  /** Removes a path unless another has its buffer by now. */
  delete(path: Path): void {
    if (this.#paths.get(path.skb) === path) {
      this.#paths.delete(path.skb);
    }
    const slot = nearSlot(path.skb);
    if (this.#near[slot] === path) {
      this.#near[slot] = null;
    }
  }

  /** Files a path that goes on in another buffer. */
  move(path: Path, skb: number): void {
    this.delete(path);
    path.skb = skb;
    this.set(path);
  }
}

/** Buffers are 256 bytes apart. */
function nearSlot(skb: number): number {
  return (skb >>> 8) & (NEAR_SLOTS - 1);
}
