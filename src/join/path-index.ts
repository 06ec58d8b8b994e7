import type { Path } from './path.js';

const INITIAL_CAPACITY = 1_024;

/**
 * Open paths by a number below 2^53: the address of a buffer or of its data, or what
 * identifies a copy. Open addressing with linear probing: unlike a Map it makes no object
 * of a key that is no small integer. The owner removes every path that has ended, so its
 * limit on open paths bounds this.
 */
export class PathIndex {
  #keys = new Float64Array(INITIAL_CAPACITY);
  #paths: (Path | null)[] = new Array<Path | null>(INITIAL_CAPACITY).fill(null);
  #mask = INITIAL_CAPACITY - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: number): Path | undefined {
    const slot = this.#find(key);
    return this.#paths[slot] ?? undefined;
  }

  /** Files a path; what was under the key before is replaced. */
  set(key: number, path: Path): void {
    if (2 * this.#size >= this.#mask) {
      this.#grow();
    }
    const slot = this.#find(key);
    if (this.#paths[slot] === null) {
      this.#size += 1;
      this.#keys[slot] = key;
    }
    this.#paths[slot] = path;
  }

  /** Removes a path unless another is under the key by now. */
  delete(key: number, path: Path): void {
    let hole = this.#find(key);
    if (this.#paths[hole] !== path) {
      return;
    }
    // What comes after it moves up, as far as it may: no slot is marked as deleted.
    for (let next = (hole + 1) & this.#mask; ; next = (next + 1) & this.#mask) {
      const moved = this.#paths[next];
      if (moved == null) {
        break;
      }
      const home = hash(this.#keys[next] as number) & this.#mask;
      const reaches = (next - home) & this.#mask;
      if (reaches >= ((next - hole) & this.#mask)) {
        this.#keys[hole] = this.#keys[next] as number;
        this.#paths[hole] = moved;
        hole = next;
      }
    }
    this.#paths[hole] = null;
    this.#size -= 1;
  }

  /** The slot of a key, or the empty one where it belongs. */
  #find(key: number): number {
    let slot = hash(key) & this.#mask;
    while (this.#paths[slot] !== null && this.#keys[slot] !== key) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #grow(): void {
    const keys = this.#keys;
    const paths = this.#paths;
    const capacity = 2 * keys.length;
    this.#keys = new Float64Array(capacity);
    this.#paths = new Array<Path | null>(capacity).fill(null);
    this.#mask = capacity - 1;
    paths.forEach((path, at) => {
      if (path !== null) {
        const slot = this.#find(keys[at] as number);
        this.#keys[slot] = keys[at] as number;
        this.#paths[slot] = path;
      }
    });
  }
}

function hash(key: number): number {
  const low = key >>> 0;
  const mixed = Math.imul(low ^ (low >>> 15) ^ (key / 4294967296), 0x9e3779b1);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
