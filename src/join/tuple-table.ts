import { linearBucket, splitBucket } from './linear-hash.js';
import { HighWords, reversedKind, swappedPorts, Tuple, tupleKind, tuplePorts } from './tuple.js';
import { hashOf, isWide, tupleHash } from './tuple-hash.js';
import { TuplePairs } from './tuple-pairs.js';

/** How many tuples are kept as objects; beyond it those out of use go, held by a flow or not. */
export const TUPLE_LIMIT = 262_144;
/** A tuple as an object, and its share of the buckets. */
export const TUPLE_BYTES = 24 + 11 * 8 + 12;
/** How many tuples so many bytes hold, at most TUPLE_LIMIT. */
export function tupleLimit(bytes = Number.POSITIVE_INFINITY): number {
  return Math.min(TUPLE_LIMIT, Math.floor(bytes / TUPLE_BYTES));
}

/** Time is kept in ticks of 2^26 ns (67 ms), so that it fits a small integer for years. */
const TICKS_PER_NS = 2 ** -26;
/** A tuple used this recently (5 s) may still be held by a path that is open. */
const IN_USE_TICKS = Math.ceil(5e9 * TICKS_PER_NS);
const INITIAL_BUCKETS = 16;
/** Buckets looked at for room at one insertion. */
const SWEEP_BUCKETS = 64;
/** Users of a pair: one for each object, and so much for each time that a flow holds it. */
const OBJECT = 1;
const HOLD = 4;

/**
 * The set of known tuples: as objects those that packets had lately, as numbers those that
 * flows hold, for of these there are millions (see TuplePairs).
 */
export class TupleTable {
  /** Grows by linear hashing: one bucket at a time. */
  readonly #buckets = new Array<Tuple | null>(INITIAL_BUCKETS).fill(null);
  readonly #pairs = new TuplePairs();
  readonly #scratch = new ArrayBuffer(32);
  readonly #words = new Uint32Array(this.#scratch);
  readonly #signed = new Int32Array(this.#scratch);
  readonly #limit: number;
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

  /** Tuples kept as objects. */
  get size(): number {
    return this.#size;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Of the objects, estimated. */
  get bytes(): number {
    return this.#size * TUPLE_BYTES;
  }

  /** How many pairs of tuples flows hold. */
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
    this.#setReversed(tuple);
    return this.#intern(reversedKind(tuple.kind), swappedPorts(tuple.ports));
  }

  /** The same as `intern`, for who needs it only now: it is not kept for others. */
  brief(family: number, protocol: number, sport: number, dport: number): Tuple {
    return this.#brief(tupleKind(family, protocol, sport, dport), tuplePorts(sport, dport));
  }

  briefReversed(tuple: Tuple): Tuple {
    if (tuple.partner !== null) {
      return tuple.partner;
    }
    this.#setReversed(tuple);
    return this.#brief(reversedKind(tuple.kind), swappedPorts(tuple.ports));
  }

  /** The tuple of a number that a flow holds: the one object that packets have, if any has. */
  at(id: number): Tuple {
    const made = this.#pairs.tuple(id);
    const bucket = linearBucket(hashOf(made), this.#buckets.length);
    let tuple = this.#buckets[bucket] as Tuple | null;
    while (tuple !== null && tuple.id !== id) {
      tuple = tuple.next;
    }
    return tuple ?? made;
  }

  /** The number of a tuple, or -1 where nobody holds it. */
  numberOf(tuple: Tuple): number {
    if (!tuple.interned && (tuple.id < 0 || !this.#pairs.isNumberOf(tuple.id, tuple))) {
      tuple.id = this.#pairs.numberOf(tuple);
    }
    return tuple.id;
  }

  /** A flow needs it: its number stays, and so does that of its reverse. @returns the number */
  hold(tuple: Tuple): number {
    let id = this.numberOf(tuple);
    if (id < 0) {
      this.#signed.set(wordsOf(tuple));
      id = this.#pairs.add(this.#signed, tuple.kind, tuple.ports);
      tuple.id = id;
    }
    this.holdPair(id >> 1);
    return id;
  }

  holdPair(pair: number): void {
    if (this.#pairs.users(pair) < HOLD) {
      this.#held += 1;
    }
    this.#pairs.use(pair, HOLD);
  }

  /** @param id a number that `hold` gave */
  release(id: number): void {
    const pair = id >> 1;
    if (this.#pairs.users(pair) < 2 * HOLD) {
      this.#held -= 1;
    }
    this.#pairs.use(pair, -HOLD);
  }

  #setReversed(tuple: Tuple): void {
    const words = this.#words;
    words[0] = tuple.dst0;
    words[1] = tuple.dst1;
    words[2] = tuple.dst2;
    words[3] = tuple.dst3;
    words[4] = tuple.src0;
    words[5] = tuple.src1;
    words[6] = tuple.src2;
    words[7] = tuple.src3;
  }

  #intern(kind: number, ports: number): Tuple {
    const words = this.#signed;
    const hash = tupleHash(words, kind & 0xffff, ports);
    const chain = this.#buckets[linearBucket(hash, this.#buckets.length)] as Tuple | null;
    const known = find(chain, kind, ports, words, 0);
    if (known !== null) {
      known.lastUsed = this.#tick;
      return known;
    }
    const made = this.#make(kind, ports);
    made.lastUsed = this.#tick;
    const id = this.#pairs.find(words, kind, ports);
    if (this.#size >= this.#limit && !this.#makeRoom()) {
      this.refused += 1;
      made.id = id;
      return made;
    }
    if (this.#size >= this.#buckets.length) {
      this.#split();
    }
    // What made room may have been the last user of the number.
    made.id =
      id >= 0 && this.#pairs.isNumberOf(id, made) ? id : this.#pairs.add(words, kind, ports);
    this.#pairs.use(made.id >> 1, OBJECT);
    made.interned = true;
    const bucket = linearBucket(hash, this.#buckets.length);
    const first = this.#buckets[bucket] as Tuple | null;
    const reverse = find(first, reversedKind(kind), swappedPorts(ports), words, 4);
    if (reverse !== null) {
      made.partner = reverse;
      reverse.partner = made;
    }
    made.next = first;
    this.#buckets[bucket] = made;
    this.#size += 1;
    return made;
  }

  #brief(kind: number, ports: number): Tuple {
    const words = this.#signed;
    const hash = tupleHash(words, kind & 0xffff, ports);
    const chain = this.#buckets[linearBucket(hash, this.#buckets.length)] as Tuple | null;
    const known = find(chain, kind, ports, words, 0);
    if (known !== null) {
      return known;
    }
    const made = this.#make(kind, ports);
    made.id = this.#pairs.find(words, kind, ports);
    return made;
  }

  #make(kind: number, ports: number): Tuple {
    const words = this.#signed;
    return new Tuple(kind, ports, words, isWide(words) ? new HighWords(words) : null);
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
      for (let tuple = buckets[this.#hand] as Tuple | null; tuple !== null; ) {
        const next: Tuple | null = tuple.next;
        if (tuple.lastUsed >= oldest) {
          tuple.next = kept;
          kept = tuple;
        } else {
          this.#forget(tuple);
        }
        tuple = next;
      }
      buckets[this.#hand] = kept;
    }
    return this.#size < before;
  }

  /** Whoever has the object still may use it, as one that the table has not. */
  #forget(tuple: Tuple): void {
    if (tuple.partner !== null) {
      tuple.partner.partner = null;
      tuple.partner = null;
    }
    tuple.interned = false;
    tuple.next = null;
    this.#pairs.use(tuple.id >> 1, -OBJECT);
    this.#size -= 1;
  }
}

/** @param from where in `words` the source is: 4 finds the reverse, whose hash is the same */
function find(
  chain: Tuple | null,
  kind: number,
  ports: number,
  words: Int32Array,
  from: 0 | 4,
): Tuple | null {
  let tuple = chain;
  while (
    tuple !== null &&
    !(tuple.ports === ports && tuple.kind === kind && sameWords(tuple, words, from))
  ) {
    tuple = tuple.next;
  }
  return tuple;
}

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

function wordsOf({ srcWord, dstWord, high }: Tuple): readonly number[] {
  return high === null
    ? [0, 0, 0, srcWord, 0, 0, 0, dstWord]
    : [high.src0, high.src1, high.src2, srcWord, high.dst0, high.dst1, high.dst2, dstWord];
}
