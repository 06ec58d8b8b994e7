import { PROTO_TCP } from '../packet/proto.js';
import { GsoPackets } from './gso-packets.js';
import type { Drop } from './hop.js';
import { HopColumns } from './hop-columns.js';
import { Path } from './path.js';
import { PathIndex } from './path-index.js';
import { SettleWheel } from './settle-wheel.js';

/** Packets that may be under way at once; one past it the oldest is closed early. */
export const OPEN_PATH_LIMIT = 131_072;
/** Bytes that they may take, what is kept for the next ones included. */
export const OPEN_PATH_BYTES = 96 << 20;
/** A path besides its columns: the object, and its share of the indices. */
export const PATH_BYTES = 720;
/** Cuts of one packet whose fragments are looked for. */
const FRAGMENT_KEY_LIMIT = 8;
/** Packets of one buffer looked at for the one that an earlier hop is of: as many as a trail holds. */
const LOOK_BACK = 32;
/** Paths with their columns kept for the next packets. */
export const SPARE_PATHS = 8_192;

/** The packets under way, in the order they began, and by all that finds one of them. */
export class OpenPaths {
  readonly bySkb = new PathIndex();
  readonly byHead = new PathIndex();
  readonly byIdentity = new PathIndex();
  readonly gso = new GsoPackets();
  readonly fragmented = new Map<string, Path>();
  readonly wheel = new SettleWheel();
  readonly #limit: number;
  readonly #limitBytes: number;
  readonly #spare: Path[] = [];
  #size = 0;
  /** Of the paths, and of the spare ones. */
  #bytes = 0;
  #spareBytes = 0;
  #oldest: Path | null = null;
  #newest: Path | null = null;

  constructor(limit = OPEN_PATH_LIMIT, limitBytes = OPEN_PATH_BYTES) {
    this.#limit = limit;
    this.#limitBytes = limitBytes;
  }

  /** Estimated. */
  get bytes(): number {
    return this.#bytes + this.#spareBytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#limit || (this.#bytes > this.#limitBytes && this.#size > 0);
  }

  get oldest(): Path | null {
    return this.#oldest;
  }

  get newest(): Path | null {
    return this.#newest;
  }

  /** A path for a packet in a buffer that nothing is known of. */
  open(skb: number, head: number, time: number): Path {
    const path = this.#takeSpare()?.reset(skb) ?? new Path(skb, new HopColumns());
    this.account(path);
    path.isOpen = true;
    path.older = this.#newest;
    if (this.#newest === null) {
      this.#oldest = path;
    } else {
      this.#newest.newer = path;
    }
    this.#newest = path;
    this.#size += 1;
    path.begun = time;
    this.#setBuffer(path, skb);
    path.head = head;
    this.byHead.set(head, path);
    path.lastTime = time;
    return path;
  }

  /** Files a path that goes on in another buffer. */
  move(path: Path, skb: number, time: number): void {
    this.bySkb.delete(path.skb, path);
    path.begun = time;
    path.skb = skb;
    this.#setBuffer(path, skb);
  }

  /** The path of a buffer, newest first, that a hop at `time` may be of. */
  inBuffer(skb: number, time: number, accepts: (path: Path) => boolean): Path | undefined {
    const newest = this.bySkb.get(skb);
    let path: Path | null = newest ?? null;
    for (let looked = 0; path?.isOpen === true && looked < LOOK_BACK; looked++) {
      if (accepts(path)) {
        return path;
      }
      if (path.isOverAt(time)) {
        break;
      }
      path = earlierOf(path);
    }
    return newest;
  }

  /** Files a path under its buffer, before a packet that had the buffer after it. */
  #setBuffer(path: Path, skb: number): void {
    const newest = this.bySkb.get(skb);
    if (newest !== undefined && newest.begun > path.begun) {
      path.earlier = newest.earlier;
      path.earlierSerial = newest.earlierSerial;
      newest.earlier = path;
      newest.earlierSerial = path.serial;
      end(path, newest.begun);
      return;
    }
    path.earlier = newest ?? null;
    path.earlierSerial = newest?.serial ?? 0;
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

  /** Files a path under what its fragments have in common; each fragmentation may give them another. */
  addFragmentKey(path: Path, key: string): void {
    if (path.fragmentKeys.length >= FRAGMENT_KEY_LIMIT) {
      return;
    }
    if (!path.fragmentKeys.includes(key)) {
      path.fragmentKeys = [...path.fragmentKeys, key];
    }
    this.fragmented.set(key, path);
  }

  /** Puts to the account what a path takes now: its columns may have grown. */
  account(path: Path): void {
    const bytes = PATH_BYTES + path.columns.byteLength;
    this.#bytes += bytes - path.bytes;
    path.bytes = bytes;
  }

  /** Takes a path that is over out of everything. */
  close(path: Path): void {
    path.isOpen = false;
    this.#bytes -= path.bytes;
    path.bytes = 0;
    path.earlier = null;
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

  /** Takes a path that nobody reads any more, for the next packet. */
  recycle(path: Path): void {
    const bytes = path.columns.byteLength;
    if (this.#spare.length < SPARE_PATHS && this.bytes + bytes <= this.#limitBytes) {
      this.#spare.push(isForgotten(path) ? path : new Path(path.skb, path.columns));
      this.#spareBytes += bytes;
    }
  }

  #takeSpare(): Path | undefined {
    const spare = this.#spare.pop();
    this.#spareBytes -= spare?.columns.byteLength ?? 0;
    return spare;
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

/** The packet that had the buffer before; null where its path is over and another packet's by now. */
function earlierOf({ earlier, earlierSerial }: Path): Path | null {
  return earlier?.serial === earlierSerial ? earlier : null;
}

/** Whether no other path knows of one that is over; what TCP merges and what proxies send on is remembered. */
function isForgotten(path: Path): boolean {
  return (
    path.protocol !== PROTO_TCP &&
    path.parent === null &&
    path.mergedInto === null &&
    path.fragmentKeys.length === 0
  );
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
