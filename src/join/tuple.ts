import type { TupleRecord } from '../model/records.js';
import { addressText } from '../packet/address-text.js';
import { PROTO_ICMP, PROTO_ICMPV6, protocolName } from '../packet/proto.js';

/** Marks a tuple of ARP: addresses are the sender's and the target's. */
export const PROTOCOL_ARP = 0x806;

/**
 * Addresses and ports of one direction of a connection, interned: equal tuples
 * are the same object, so comparing and looking up cost nothing. Addresses are
 * four words as in DecodedPacket. For an echo both ports are its identifier; -1
 * where a protocol has none.
 */
export class Tuple {
  readonly family: number;
  readonly protocol: number;
  readonly src0: number;
  readonly src1: number;
  readonly src2: number;
  readonly src3: number;
  readonly dst0: number;
  readonly dst1: number;
  readonly dst2: number;
  readonly dst3: number;
  readonly sport: number;
  readonly dport: number;
  /** What the flow table hung on this tuple; see flow/binding.ts. */
  bindings: readonly unknown[] | null = null;
  /** Newest use, nanoseconds since the epoch of the source. */
  lastUsed = 0;
  /** Whether a table has it: else an equal one may be made any time. */
  interned = false;
  /** Next in the intern table's bucket. */
  next: Tuple | null = null;
  #reversed: Tuple | null = null;
  #src: string | null = null;
  #dst: string | null = null;

  constructor(words: Uint32Array, family: number, protocol: number, sport: number, dport: number) {
    this.family = family;
    this.protocol = protocol;
    this.src0 = words[0] as number;
    this.src1 = words[1] as number;
    this.src2 = words[2] as number;
    this.src3 = words[3] as number;
    this.dst0 = words[4] as number;
    this.dst1 = words[5] as number;
    this.dst2 = words[6] as number;
    this.dst3 = words[7] as number;
    this.sport = sport;
    this.dport = dport;
  }

  get src(): string {
    this.#src ??= addressText(this.family, this.src0, this.src1, this.src2, this.src3);
    return this.#src;
  }

  get dst(): string {
    this.#dst ??= addressText(this.family, this.dst0, this.dst1, this.dst2, this.dst3);
    return this.#dst;
  }

  get isIcmp(): boolean {
    return this.protocol === PROTO_ICMP || this.protocol === PROTO_ICMPV6;
  }

  get protocolName(): string {
    return this.protocol === PROTOCOL_ARP ? 'arp' : protocolName(this.protocol);
  }

  get icmpId(): number | null {
    return this.isIcmp && this.sport >= 0 ? this.sport : null;
  }

  sameSource(other: Tuple): boolean {
    return (
      this.src3 === other.src3 &&
      this.sport === other.sport &&
      this.src2 === other.src2 &&
      this.src1 === other.src1 &&
      this.src0 === other.src0
    );
  }

  sameDestination(other: Tuple): boolean {
    return (
      this.dst3 === other.dst3 &&
      this.dport === other.dport &&
      this.dst2 === other.dst2 &&
      this.dst1 === other.dst1 &&
      this.dst0 === other.dst0
    );
  }

  /** Whether both say the same, though one of them may have left the table meanwhile. */
  equals(other: Tuple): boolean {
    return (
      this === other ||
      (this.protocol === other.protocol && this.sameSource(other) && this.sameDestination(other))
    );
  }

  /** The tuple of an answer to this one. */
  reversed(table: TupleTable): Tuple {
    let reversed = this.#reversed;
    if (reversed === null || !reversed.interned) {
      reversed = table.internReversed(this);
      this.#reversed = reversed;
    }
    return reversed;
  }

  toRecord(icmp: { type: number; code: number; seq: number; mtu: number } | null): TupleRecord {
    const hasPorts = !this.isIcmp && this.sport >= 0;
    return {
      proto: this.protocolName,
      src: this.src,
      dst: this.dst,
      sport: hasPorts ? this.sport : null,
      dport: hasPorts && this.dport >= 0 ? this.dport : null,
      icmp:
        this.isIcmp && icmp !== null
          ? {
              type: icmp.type,
              code: icmp.code,
              id: this.icmpId,
              seq: icmp.seq >= 0 ? icmp.seq : null,
              ...(icmp.mtu >= 0 ? { mtu: icmp.mtu } : {}),
            }
          : null,
    };
  }
}

/** How many tuples are kept; beyond it those without a flow and out of use go. */
export const TUPLE_LIMIT = 262_144;
/** A tuple used this recently may still be held by a path that is open. */
const IN_USE_NS = 5e9;

/** The set of known tuples. */
export class TupleTable {
  readonly #buckets = new Map<number, Tuple>();
  readonly #words = new Uint32Array(8);
  readonly #limit: number;
  #size = 0;
  /** Tuples made so far, and how many of them before the next walk through all. */
  #made = 0;
  #nextSweep = 0;
  /** Tuples not kept because the table was full of tuples in use. */
  refused = 0;
  /** Nanoseconds since the epoch; set by the joiner before it interns. */
  now = 0;

  constructor(limit = TUPLE_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** Scratch for `intern`: source words 0 to 3, destination words 4 to 7. */
  get words(): Uint32Array {
    return this.#words;
  }

  /** The tuple of the scratch words and these fields. */
  intern(family: number, protocol: number, sport: number, dport: number): Tuple {
    const words = this.#words;
    const hash = tupleHash(words, protocol, sport, dport);
    const first = this.#buckets.get(hash);
    for (let tuple = first ?? null; tuple !== null; tuple = tuple.next) {
      if (equals(tuple, words, family, protocol, sport, dport)) {
        tuple.lastUsed = this.now;
        return tuple;
      }
    }
    const made = new Tuple(words, family, protocol, sport, dport);
    made.lastUsed = this.now;
    this.#made += 1;
    if (this.#size >= this.#limit && this.#made >= this.#nextSweep) {
      this.#sweep();
    }
    if (this.#size >= this.#limit) {
      this.refused += 1;
      return made;
    }
    made.interned = true;
    made.next = this.#buckets.get(hash) ?? null;
    this.#buckets.set(hash, made);
    this.#size += 1;
    return made;
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
    return this.intern(tuple.family, tuple.protocol, tuple.dport, tuple.sport);
  }

  #sweep(): void {
    const oldest = this.now - IN_USE_NS;
    for (const [hash, first] of this.#buckets) {
      let kept: Tuple | null = null;
      for (let tuple: Tuple | null = first; tuple !== null; ) {
        const next: Tuple | null = tuple.next;
        if (tuple.bindings !== null || tuple.lastUsed > oldest) {
          tuple.next = kept;
          kept = tuple;
        } else {
          tuple.interned = false;
          this.#size -= 1;
        }
        tuple = next;
      }
      if (kept === null) {
        this.#buckets.delete(hash);
      } else if (kept !== first) {
        this.#buckets.set(hash, kept);
      }
    }
    // When little was freed, do not walk everything again for the next tuple.
    this.#nextSweep = this.#made + (this.#limit >> 3);
  }
}

function mix(hash: number, word: number): number {
  return Math.imul(hash ^ word, 0x9e3779b1) ^ (hash >>> 15);
}

function tupleHash(words: Uint32Array, protocol: number, sport: number, dport: number): number {
  let hash = mix(protocol, (sport << 16) ^ dport);
  hash = mix(hash, words[3] as number);
  hash = mix(hash, words[7] as number);
  if (words[0] !== 0 || words[4] !== 0) {
    hash = mix(mix(mix(hash, words[0] as number), words[1] as number), words[2] as number);
    hash = mix(mix(mix(hash, words[4] as number), words[5] as number), words[6] as number);
  }
  // 31 bits: V8 keeps them as small integers.
  return (hash ^ (hash >>> 13)) & 0x3fffffff;
}

function equals(
  tuple: Tuple,
  words: Uint32Array,
  family: number,
  protocol: number,
  sport: number,
  dport: number,
): boolean {
  return (
    tuple.sport === sport &&
    tuple.dport === dport &&
    tuple.src3 === words[3] &&
    tuple.dst3 === words[7] &&
    tuple.protocol === protocol &&
    tuple.family === family &&
    tuple.src2 === words[2] &&
    tuple.src1 === words[1] &&
    tuple.src0 === words[0] &&
    tuple.dst2 === words[6] &&
    tuple.dst1 === words[5] &&
    tuple.dst0 === words[4]
  );
}
