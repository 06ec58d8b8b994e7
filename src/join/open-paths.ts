import { GsoPackets } from './gso-packets.js';
import type { Drop } from './hop.js';
import { HopColumns } from './hop-columns.js';
import { Path } from './path.js';
import { PathIndex } from './path-index.js';
import { SettleWheel } from './settle-wheel.js';

/** Packets that may be under way at once; one past it the oldest is closed early. */
export const OPEN_PATH_LIMIT = 131_072;
/** Cuts of one packet whose fragments are looked for. */
const FRAGMENT_KEY_LIMIT = 8;
/** Sets of columns kept for the next packets. */
export const SPARE_COLUMNS = 8_192;

/** The packets under way, in the order they began, and by all that finds one of them. */
export class OpenPaths {
  readonly bySkb = new PathIndex();
  readonly byHead = new PathIndex();
  readonly byIdentity = new PathIndex();
  readonly gso = new GsoPackets();
  readonly fragmented = new Map<string, Path>();
  readonly wheel = new SettleWheel();
  /** Paths closed early because too many were open. */
  evicted = 0;
  readonly #limit: number;
  readonly #spare: HopColumns[] = [];
  #size = 0;
  #oldest: Path | null = null;
  #newest: Path | null = null;

  constructor(limit = OPEN_PATH_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#limit;
  }

  get oldest(): Path | null {
    return this.#oldest;
  }

  get newest(): Path | null {
    return this.#newest;
  }

  /** A path for a packet in a buffer that nothing is known of. */
  open(skb: number, head: number, time: number): Path {
    const path = new Path(skb, this.#spare.pop() ?? new HopColumns());
    path.isOpen = true;
    path.older = this.#newest;
    if (this.#newest === null) {
      this.#oldest = path;
    } else {
      this.#newest.newer = path;
    }
    this.#newest = path;
    this.#size += 1;
    this.bySkb.set(skb, path);
    path.head = head;
    this.byHead.set(head, path);
    path.lastTime = time;
    return path;
  }

  /** Files a path that goes on in another buffer. */
  move(path: Path, skb: number): void {
    this.bySkb.delete(path.skb, path);
    path.skb = skb;
    this.bySkb.set(skb, path);
  }

  /** Files a path whose data moved. */
  setHead(path: Path, head: number): void {
    if (path.head !== head) {
      this.byHead.delete(path.head, path);
      path.head = head;
      this.byHead.set(head, path);
    }
  }

  setIdentity(path: Path, identity: number): void {
    if (path.identity !== 0) {
      this.byIdentity.delete(path.identity, path);
    }
    path.identity = identity;
    if (identity !== 0) {
      this.byIdentity.set(identity, path);
    }
  }

  /** Files a path under what its fragments have in common; each cut may give them another. */
  addFragmentKey(path: Path, key: string): void {
    if (path.fragmentKeys.length >= FRAGMENT_KEY_LIMIT) {
      return;
    }
    if (!path.fragmentKeys.includes(key)) {
      path.fragmentKeys = [...path.fragmentKeys, key];
    }
    this.fragmented.set(key, path);
  }

  /** Takes a path that is over out of everything. */
  close(path: Path): void {
    path.isOpen = false;
    this.#unlink(path);
    this.#size -= 1;
    this.bySkb.delete(path.skb, path);
    this.byHead.delete(path.head, path);
    if (path.identity !== 0) {
      this.byIdentity.delete(path.identity, path);
    }
    if (path.gsoTuples.length > 0) {
      this.gso.delete(path);
    }
    for (const key of path.fragmentKeys) {
      if (this.fragmented.get(key) === path) {
        this.fragmented.delete(key);
      }
    }
  }

  /** Takes the columns of a path that nobody reads any more, for the next packet. */
  recycle(columns: HopColumns): void {
    if (this.#spare.length < SPARE_COLUMNS) {
      columns.clear();
      this.#spare.push(columns);
    }
  }

  #unlink(path: Path): void {
    if (path.older === null) {
      this.#oldest = path.newer;
    } else {
      path.older.newer = path.newer;
    }
    if (path.newer === null) {
      this.#newest = path.older;
    } else {
      path.newer.older = path.older;
    }
    path.older = null;
    path.newer = null;
  }
}

/** Marks a path as over: a drop. */
export function endByDrop(path: Path, time: number, drop: Drop): void {
  path.columns.drop = drop;
  path.dropped = true;
  end(path, time);
}

/** Marks a path as over: a socket has it. */
export function endByDelivery(path: Path, time: number): void {
  path.delivered = true;
  path.lastTime = Math.max(path.lastTime, time);
  end(path, time);
}

/** Marks a path as over: its buffer was released, or given to another packet. */
export function end(path: Path, time: number): void {
  path.ended = true;
  path.endTime = Math.min(path.endTime, time);
}
