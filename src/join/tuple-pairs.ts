import { LinearBuckets } from './linear-buckets.js';
import { HighWords, reversedKind, swappedPorts, Tuple } from './tuple.js';
import { isWide, tupleHash } from './tuple-hash.js';
import { WordRows } from './word-rows.js';

/* Words of a pair. What it says is of the tuple that has the even number. */
const NEXT = 0;
const SRC = 1;
const DST = 2;
const PORTS = 3;
const KIND = 4;
/** Row of the words that only IPv6 addresses have; -1 for none. */
const HIGH = 5;
const USERS = 6;
const PAIR_WORDS = 7;
const HIGH_ROW_WORDS = 6;
const NONE = -1;

/** Of a pair: 28 bytes of its own, and its share of the buckets. */
export const PAIR_BYTES = PAIR_WORDS * 4 + 6;

/**
 * What is known of a tuple and its reverse in numbers alone, so that a million of them are
 * no objects: each has a number, which the flow table files its flows by. A pair stays while
 * it has users, and its number is another's afterwards.
 */
export class TuplePairs {
  readonly #rows = new WordRows(PAIR_WORDS);
  readonly #high = new WordRows(HIGH_ROW_WORDS);
  readonly #buckets = new LinearBuckets();
  #free = NONE;
  #fresh = 0;
  #freeHigh = NONE;
  #freshHigh = 0;
  readonly #words = new Int32Array(8);

  get size(): number {
    return this.#buckets.size;
  }

  get byteLength(): number {
    return this.#rows.byteLength + this.#high.byteLength + this.#buckets.byteLength;
  }

  /** The number of the tuple of these words, or -1. */
  find(words: Int32Array, kind: number, ports: number): number {
    const rows = this.#rows;
    let pair = this.#buckets.first(tupleHash(words, kind & 0xffff, ports));
    while (pair >= 0) {
      if (this.#has(pair, words, kind, ports, 0)) {
        return pair * 2;
      }
      if (this.#has(pair, words, reversedKind(kind), swappedPorts(ports), 4)) {
        return pair * 2 + 1;
      }
      pair = rows.get(pair, NEXT);
    }
    return NONE;
  }

  /** The same for an object. */
  numberOf(tuple: Tuple): number {
    return this.find(this.#wordsOf(tuple), tuple.kind, tuple.ports);
  }

  /** Whether the number is still that of a tuple which had it once. */
  isNumberOf(id: number, tuple: Tuple): boolean {
    const pair = id >> 1;
    const rows = this.#rows;
    if (pair >= this.#fresh || rows.get(pair, USERS) < 0) {
      return false;
    }
    const [src, dst] = (id & 1) === 0 ? [SRC, DST] : [DST, SRC];
    return (
      rows.get(pair, src) === tuple.srcWord &&
      rows.get(pair, dst) === tuple.dstWord &&
      (tuple.high === null && rows.get(pair, HIGH) < 0
        ? (id & 1) === 0
          ? rows.get(pair, PORTS) === tuple.ports && rows.get(pair, KIND) === tuple.kind
          : rows.get(pair, PORTS) === swappedPorts(tuple.ports) &&
            rows.get(pair, KIND) === reversedKind(tuple.kind)
        : this.numberOf(tuple) === id)
    );
  }

  /** A pair for a tuple of which none is known; nobody uses it yet. @returns the tuple's number */
  add(words: Int32Array, kind: number, ports: number): number {
    this.#makeRoom();
    const rows = this.#rows;
    let pair = this.#free;
    if (pair >= 0) {
      this.#free = rows.get(pair, NEXT);
    } else {
      pair = this.#fresh++;
      rows.reserve(this.#fresh);
    }
    rows.set(pair, SRC, words[3] as number);
    rows.set(pair, DST, words[7] as number);
    rows.set(pair, PORTS, ports);
    rows.set(pair, KIND, kind);
    rows.set(pair, HIGH, isWide(words) ? this.#addHigh(words) : NONE);
    rows.set(pair, USERS, 0);
    rows.set(pair, NEXT, this.#buckets.put(pair, tupleHash(words, kind & 0xffff, ports)));
    return pair * 2;
  }

  /** An object for the tuple of a number; made anew at each call. */
  tuple(id: number): Tuple {
    const pair = id >> 1;
    const rows = this.#rows;
    const isEven = (id & 1) === 0;
    const words = this.#readWords(pair, isEven);
    const kind = rows.get(pair, KIND);
    const ports = rows.get(pair, PORTS);
    const made = new Tuple(
      isEven ? kind : reversedKind(kind),
      isEven ? ports : swappedPorts(ports),
      words,
      rows.get(pair, HIGH) < 0 ? null : new HighWords(words),
    );
    made.id = id;
    return made;
  }

  users(pair: number): number {
    return this.#rows.get(pair, USERS);
  }

  /** Adds to the users of a pair; one that has none left is no more. */
  use(pair: number, more: number): void {
    const users = this.#rows.get(pair, USERS) + more;
    this.#rows.set(pair, USERS, users);
    if (users === 0) {
      this.#remove(pair);
    }
  }

  #remove(pair: number): void {
    const rows = this.#rows;
    const next = rows.get(pair, NEXT);
    let before = this.#buckets.remove(pair, this.#hash(pair), next);
    if (before >= 0) {
      while (rows.get(before, NEXT) !== pair) {
        before = rows.get(before, NEXT);
      }
      rows.set(before, NEXT, next);
    }
    const high = rows.get(pair, HIGH);
    if (high >= 0) {
      this.#high.set(high, 0, this.#freeHigh);
      this.#freeHigh = high;
    }
    rows.set(pair, USERS, NONE);
    rows.set(pair, NEXT, this.#free);
    this.#free = pair;
  }

  #makeRoom(): void {
    const rows = this.#rows;
    let pair = this.#buckets.makeRoom();
    while (pair >= 0) {
      const next = rows.get(pair, NEXT);
      rows.set(pair, NEXT, this.#buckets.put(pair, this.#hash(pair)));
      pair = next;
    }
  }

  #hash(pair: number): number {
    const words = this.#readWords(pair, true);
    return tupleHash(words, this.#rows.get(pair, KIND) & 0xffff, this.#rows.get(pair, PORTS));
  }

  /** @param from where in `words` the source is: 4 compares with the reverse */
  #has(pair: number, words: Int32Array, kind: number, ports: number, from: 0 | 4): boolean {
    const rows = this.#rows;
    const to = 4 - from;
    if (
      rows.get(pair, SRC) !== words[from + 3] ||
      rows.get(pair, DST) !== words[to + 3] ||
      rows.get(pair, PORTS) !== ports ||
      rows.get(pair, KIND) !== kind
    ) {
      return false;
    }
    const high = rows.get(pair, HIGH);
    if (high < 0) {
      return !isWide(words);
    }
    for (let i = 0; i < 3; i++) {
      if (
        this.#high.get(high, i) !== words[from + i] ||
        this.#high.get(high, 3 + i) !== words[to + i]
      ) {
        return false;
      }
    }
    return true;
  }

  #addHigh(words: Int32Array): number {
    let high = this.#freeHigh;
    if (high >= 0) {
      this.#freeHigh = this.#high.get(high, 0);
    } else {
      high = this.#freshHigh++;
      this.#high.reserve(this.#freshHigh);
    }
    for (let i = 0; i < 3; i++) {
      this.#high.set(high, i, words[i] as number);
      this.#high.set(high, 3 + i, words[4 + i] as number);
    }
    return high;
  }

  #readWords(pair: number, isEven: boolean): Int32Array {
    const rows = this.#rows;
    const words = this.#words;
    const [from, to] = isEven ? [0, 4] : [4, 0];
    const high = rows.get(pair, HIGH);
    for (let i = 0; i < 3; i++) {
      words[from + i] = high < 0 ? 0 : this.#high.get(high, i);
      words[to + i] = high < 0 ? 0 : this.#high.get(high, 3 + i);
    }
    words[from + 3] = rows.get(pair, SRC);
    words[to + 3] = rows.get(pair, DST);
    return words;
  }

  #wordsOf(tuple: Tuple): Int32Array {
    const words = this.#words;
    const { high } = tuple;
    words[0] = high?.src0 ?? 0;
    words[1] = high?.src1 ?? 0;
    words[2] = high?.src2 ?? 0;
    words[3] = tuple.srcWord;
    words[4] = high?.dst0 ?? 0;
    words[5] = high?.dst1 ?? 0;
    words[6] = high?.dst2 ?? 0;
    words[7] = tuple.dstWord;
    return words;
  }
}
