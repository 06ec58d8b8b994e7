import { linearBucket, splitBucket } from './linear-hash.js';
import { HighWords, reversedKind, Tuple, tupleKind, tuplePorts } from './tuple.js';

/**
 * How many tuples are kept that no flow holds; beyond it those out of use go. What flows
 * hold is bounded by the flow table.
 */
export const TUPLE_LIMIT = 262_144;
/** Time is kept in ticks of 2^26 ns (67 ms), so that it fits a small integer for years. */
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

  /** A flow's binding needs it: it stays, and so does its reverse. */
  hold(tuple: Tuple): void {
    if (!tuple.held) {
      this.#held += tuple.partner === null ? 1 : 2;
    }
    tuple.users += 1;
  }

  release(tuple: Tuple): void {
    tuple.users -= 1;
    if (!tuple.held) {
      this.#held -= tuple.partner === null ? 1 : 2;
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
    let reverse = this.#reverse(chain, kind, ports);
    const isHeld = reverse?.held ?? false;
    const made = new Tuple(kind, ports, words, isWide(words) ? new HighWords(words) : null);
    made.lastUsed = this.#tick;
    if (!isHeld && this.#size - this.#held >= this.#limit && !this.#makeRoom()) {
      this.refused += 1;
      return made;
    }
    reverse = reverse?.interned === true ? reverse : null;
    if (this.#size >= this.#buckets.length) {
      this.#split();
    }
    const bucket = linearBucket(hash, this.#buckets.length);
    made.next = this.#buckets[bucket] as Tuple | null;
    this.#buckets[bucket] = made;
    this.#size += 1;
    if (reverse === null) {
      made.id = (this.#freePairs.pop() ?? this.#pairs++) * 2;
    } else {
      made.id = reverse.id ^ 1;
      made.partner = reverse;
      reverse.partner = made;
      this.#held += isHeld ? 1 : 0;
    }
    return made;
  }

  /** The reverse of the scratch words and these: its hash is the same, and so is its bucket. */
  #reverse(chain: Tuple | null, kind: number, ports: number): Tuple | null {
    const itsKind = reversedKind(kind);
    const itsPorts = swapped(ports);
    let tuple = chain;
    while (
      tuple !== null &&
      !(tuple.ports === itsPorts && tuple.kind === itsKind && sameWords(tuple, this.#signed, 4))
    ) {
      tuple = tuple.next;
    }
    return tuple;
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
        if (tuple.held || tuple.lastUsed >= oldest) {
          tuple.next = kept;
          kept = tuple;
        } else {
          tuple.next = gone;
          gone = tuple;
        }
        tuple = next;
      }
      buckets[this.#hand] = kept;
      this.#forget(gone);
    }
    return this.#size < before;
  }

  #forget(gone: Tuple | null): void {
    for (let tuple = gone; tuple !== null; tuple = tuple.next) {
      if (tuple.partner === null) {
        this.#freePairs.push(tuple.id >> 1);
      } else {
        tuple.partner.partner = null;
        tuple.partner = null;
      }
      tuple.id = -1;
      this.#size -= 1;
    }
  }
}

function isWide(words: Int32Array): boolean {
  return (
    words[0] !== 0 ||
    words[1] !== 0 ||
    words[2] !== 0 ||
    words[4] !== 0 ||
    words[5] !== 0 ||
    words[6] !== 0
  );
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
