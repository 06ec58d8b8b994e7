import { linearBucket, splitBucket } from './linear-hash.js';
import { HighWords, reversedKind, Tuple, tupleKind, tuplePorts } from './tuple.js';

/**
 * How many tuples are kept that no flow holds; beyond it those out of use go. What flows
 * hold is bounded by the flow table.
 */
export const TUPLE_LIMIT = 262_144;
/** Time is told in ticks of 2^26 ns (67 ms), so that it fits a small integer for years. */
const TICKS_PER_NS = 2 ** -26;
/** A tuple used this recently (5 s) may still be held by a path that is open. */
const IN_USE_TICKS = Math.ceil(5e9 * TICKS_PER_NS);
const INITIAL_BUCKETS = 16;
/** Buckets looked at for room at one insertion. */
const SWEEP_BUCKETS = 64;

/** The set of known tuples. */
export class TupleTable {
  /** Grows by linear hashing: one bucket at a time. */
  readonly #buckets = new Array<Tuple | null>(INITIAL_BUCKETS).fill(null);
  readonly #scratch = new ArrayBuffer(32);
  readonly #words = new Uint32Array(this.#scratch);
  readonly #signed = new Int32Array(this.#scratch);
  readonly #limit: number;
  /** Numbers of pairs that are free again, and how many were ever given. */
  readonly #freePairs: number[] = [];
  #pairs = 0;
  #size = 0;
  #held = 0;
  #hand = 0;
  #now = 0;
  #tick = 0;
  /** Tuples not kept because the table was full of tuples in use. */
  refused = 0;

  constructor(limit = TUPLE_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** How many of them flows hold. */
  get held(): number {
    return this.#held;
  }

  /** Nanoseconds since the epoch; set by the joiner before it interns. */
  get now(): number {
    return this.#now;
  }

  set now(now: number) {
    this.#now = now;
    this.#tick = Math.floor(now * TICKS_PER_NS);
  }

  /** Scratch for `intern`: source words 0 to 3, destination words 4 to 7. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** The tuple of the scratch words and these fields. */
  intern(family: number, protocol: number, sport: number, dport: number): Tuple {
    return this.#intern(tupleKind(family, protocol, sport, dport), tuplePorts(sport, dport));
  }

  internReversed(tuple: Tuple): Tuple {
    const words = this.#words;
    words[0] = tuple.dst0;
    words[1] = tuple.dst1;
    words[2] = tuple.dst2;
    words[3] = tuple.dst3;
    words[4] = tuple.src0;
    words[5] = tuple.src1;
    words[6] = tuple.src2;
    words[7] = tuple.src3;
    return this.#intern(reversedKind(tuple.kind), swapped(tuple.ports));
  }

  /** A flow's binding needs it: it stays. */
  hold(tuple: Tuple): void {
    tuple.users += 1;
    if (tuple.users === 1) {
      this.#held += 1;
    }
  }

  release(tuple: Tuple): void {
    tuple.users -= 1;
    if (tuple.users === 0) {
      this.#held -= 1;
      tuple.lastUsed = Math.max(tuple.lastUsed, this.#tick);
    }
  }

  #intern(kind: number, ports: number): Tuple {
    const words = this.#signed;
    const hash = tupleHash(words, kind & 0xffff, ports);
    const chain = this.#buckets[linearBucket(hash, this.#buckets.length)] as Tuple | null;
    for (let tuple = chain; tuple !== null; tuple = tuple.next) {
      if (tuple.ports === ports && tuple.kind === kind && sameWords(tuple, words, 0)) {
        tuple.lastUsed = this.#tick;
        return tuple;
      }
    }
    const isWide =
      ((words[0] as number) |
        (words[1] as number) |
        (words[2] as number) |
        (words[4] as number) |
        (words[5] as number) |
        (words[6] as number)) !==
      0;
    const made = new Tuple(kind, ports, words, isWide ? new HighWords(words) : null);
    made.lastUsed = this.#tick;
    if (this.#size - this.#held >= this.#limit && !this.#makeRoom()) {
      this.refused += 1;
      return made;
    }
    this.#insert(made, hash);
    return made;
  }

  #insert(made: Tuple, hash: number): void {
    const buckets = this.#buckets;
    if (this.#size >= buckets.length) {
      this.#split();
    }
    const bucket = linearBucket(hash, buckets.length);
    const chain = buckets[bucket] as Tuple | null;
    // The hash of a reverse is the same, so it hangs in the same bucket.
    const kind = reversedKind(made.kind);
    const ports = swapped(made.ports);
    let reverse: Tuple | null = chain;
    while (
      reverse !== null &&
      !(reverse.ports === ports && reverse.kind === kind && sameWords(reverse, this.#signed, 4))
    ) {
      reverse = reverse.next;
    }
    made.id = reverse === null ? (this.#freePairs.pop() ?? this.#pairs++) * 2 : reverse.id ^ 1;
    made.next = chain;
    buckets[bucket] = made;
    this.#size += 1;
  }

  #split(): void {
    const buckets = this.#buckets;
    const count = buckets.length;
    const from = splitBucket(count);
    let stays: Tuple | null = null;
    let goes: Tuple | null = null;
    for (let tuple = buckets[from] as Tuple | null; tuple !== null; ) {
      const next: Tuple | null = tuple.next;
      if (linearBucket(hashOf(tuple), count + 1) === from) {
        tuple.next = stays;
        stays = tuple;
      } else {
        tuple.next = goes;
        goes = tuple;
      }
      tuple = next;
    }
    buckets[from] = stays;
    buckets.push(goes);
  }

  /** Looks on from where it stopped for tuples out of use. */
  #makeRoom(): boolean {
    const oldest = this.#tick - IN_USE_TICKS;
    const before = this.#size;
    const buckets = this.#buckets;
    for (let n = Math.min(SWEEP_BUCKETS, buckets.length); n > 0 && this.#size === before; n--) {
      this.#hand = this.#hand + 1 < buckets.length ? this.#hand + 1 : 0;
      let kept: Tuple | null = null;
      let gone: Tuple | null = null;
      for (let tuple = buckets[this.#hand] as Tuple | null; tuple !== null; ) {
        const next: Tuple | null = tuple.next;
        if (tuple.users > 0 || tuple.lastUsed >= oldest) {
          tuple.next = kept;
          kept = tuple;
        } else {
          tuple.next = gone;
          gone = tuple;
        }
        tuple = next;
      }
      buckets[this.#hand] = kept;
      this.#forget(gone, kept);
    }
    return this.#size < before;
  }

  #forget(gone: Tuple | null, kept: Tuple | null): void {
    for (let tuple = gone; tuple !== null; tuple = tuple.next) {
      if (!hasId(kept, tuple.id ^ 1) && !hasId(tuple.next, tuple.id ^ 1)) {
        this.#freePairs.push(tuple.id >> 1);
      }
      tuple.id = -1;
      this.#size -= 1;
    }
  }
}

function hasId(chain: Tuple | null, id: number): boolean {
  for (let tuple = chain; tuple !== null; tuple = tuple.next) {
    if (tuple.id === id) {
      return true;
    }
  }
  return false;
}

function swapped(ports: number): number {
  return (ports << 16) | (ports >>> 16);
}

/** @param from where in `words` the source is: 4 compares with the reverse */
function sameWords(tuple: Tuple, words: Int32Array, from: 0 | 4): boolean {
  const to = 4 - from;
  if (tuple.srcWord !== words[from + 3] || tuple.dstWord !== words[to + 3]) {
    return false;
  }
  const { high } = tuple;
  return (
    (high?.src0 ?? 0) === words[from] &&
    (high?.src1 ?? 0) === words[from + 1] &&
    (high?.src2 ?? 0) === words[from + 2] &&
    (high?.dst0 ?? 0) === words[to] &&
    (high?.dst1 ?? 0) === words[to + 1] &&
    (high?.dst2 ?? 0) === words[to + 2]
  );
}

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** The same for a tuple and its reverse. */
function tupleHash(words: Int32Array, protocol: number, ports: number): number {
  let src = mix(protocol + (ports >>> 16) * 0x10001, words[3] as number);
  let dst = mix(protocol + (ports & 0xffff) * 0x10001, words[7] as number);
  if (words[0] !== 0 || words[4] !== 0) {
    src = highHash(src, words[0] as number, words[1] as number, words[2] as number);
    dst = highHash(dst, words[4] as number, words[5] as number, words[6] as number);
  }
  return finished(src + dst);
}

function hashOf(tuple: Tuple): number {
  const { high, ports } = tuple;
  const protocol = tuple.kind & 0xffff;
  let src = mix(protocol + (ports >>> 16) * 0x10001, tuple.srcWord);
  let dst = mix(protocol + (ports & 0xffff) * 0x10001, tuple.dstWord);
  if (high !== null && (high.src0 !== 0 || high.dst0 !== 0)) {
    src = highHash(src, high.src0, high.src1, high.src2);
    dst = highHash(dst, high.dst0, high.dst1, high.dst2);
  }
  return finished(src + dst);
}

function highHash(hash: number, w0: number, w1: number, w2: number): number {
  return mix(mix(mix(hash, w0), w1), w2);
}

/** Spreads the upper bits over the lower ones, which choose the bucket; 30 bits. */
function finished(sum: number): number {
  const hash = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) & 0x3fffffff;
}
