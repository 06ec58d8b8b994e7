import type { TupleRecord } from 'hopscope-protocol';
import { addressText } from '../packet/address-text.js';
import { PROTO_ICMP, PROTO_ICMPV6, protocolName } from '../packet/proto.js';

/** Marks a tuple of ARP: addresses are the sender's and the target's. */
export const PROTOCOL_ARP = 0x806;

const FAMILY_SHIFT = 16;
const NO_SPORT = 1 << 20;
const NO_DPORT = 1 << 21;

/** The words of two addresses that only IPv6 has. */
export class HighWords {
  readonly src0: number;
  readonly src1: number;
  readonly src2: number;
  readonly dst0: number;
  readonly dst1: number;
  readonly dst2: number;

  constructor(words: Int32Array) {
    this.src0 = words[0] as number;
    this.src1 = words[1] as number;
    this.src2 = words[2] as number;
    this.dst0 = words[4] as number;
    this.dst1 = words[5] as number;
    this.dst2 = words[6] as number;
  }
}

/**
 * Addresses and ports of one direction of a connection. Those that packets have are interned:
 * equal ones are the same object while they are in use, so comparing and looking up cost
 * nothing. What only the flow table knows is kept in numbers, and made an object for a reader.
 * Addresses are four words as in DecodedPacket. For an echo both ports are its identifier; -1
 * where a protocol has none.
 *
 * All fields are small integers, which V8 keeps in the object itself; words are signed for
 * that reason.
 */
export class Tuple {
  /** Protocol, family, and which ports there are none of. */
  readonly kind: number;
  readonly srcWord: number;
  readonly dstWord: number;
  /** Source port in the upper half. */
  readonly ports: number;
  /** null for IPv4. */
  readonly high: HighWords | null;
  /**
   * Number among the tuples known; a tuple and its reverse differ in the lowest bit only.
   * Sure only while `interned`: for others ask TupleTable.numberOf.
   */
  id = -1;
  /** Whether it is the one object of the table for all that equal it. */
  interned = false;
  /** Newest use, in ticks of TupleTable. */
  lastUsed = 0;
  /** Next in the intern table's bucket. */
  next: Tuple | null = null;
  /** Its reverse, while the table has both. */
  partner: Tuple | null = null;

  constructor(kind: number, ports: number, words: Int32Array, high: HighWords | null) {
    this.kind = kind;
    this.ports = ports;
    this.srcWord = words[3] as number;
    this.dstWord = words[7] as number;
    this.high = high;
  }

  get family(): number {
    return (this.kind >> FAMILY_SHIFT) & 15;
  }

  get protocol(): number {
    return this.kind & 0xffff;
  }

  get sport(): number {
    return (this.kind & NO_SPORT) === 0 ? this.ports >>> 16 : -1;
  }

  get dport(): number {
    return (this.kind & NO_DPORT) === 0 ? this.ports & 0xffff : -1;
  }

  get src0(): number {
    return (this.high?.src0 ?? 0) >>> 0;
  }

  get src1(): number {
    return (this.high?.src1 ?? 0) >>> 0;
  }

  get src2(): number {
    return (this.high?.src2 ?? 0) >>> 0;
  }

  get src3(): number {
    return this.srcWord >>> 0;
  }

  get dst0(): number {
    return (this.high?.dst0 ?? 0) >>> 0;
  }

  get dst1(): number {
    return (this.high?.dst1 ?? 0) >>> 0;
  }

  get dst2(): number {
    return (this.high?.dst2 ?? 0) >>> 0;
  }

  get dst3(): number {
    return this.dstWord >>> 0;
  }

  get src(): string {
    return addressText(this.family, this.src0, this.src1, this.src2, this.src3);
  }

  get dst(): string {
    return addressText(this.family, this.dst0, this.dst1, this.dst2, this.dst3);
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
      this.srcWord === other.srcWord &&
      this.sport === other.sport &&
      this.src2 === other.src2 &&
      this.src1 === other.src1 &&
      this.src0 === other.src0
    );
  }

  sameDestination(other: Tuple): boolean {
    return (
      this.dstWord === other.dstWord &&
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
      (this.ports === other.ports &&
        this.srcWord === other.srcWord &&
        this.dstWord === other.dstWord &&
        this.kind === other.kind &&
        this.sameSource(other) &&
        this.sameDestination(other))
    );
  }

  /** Whether it is the other one's reverse. */
  reverses(other: Tuple): boolean {
    return (
      this.srcWord === other.dstWord &&
      this.dstWord === other.srcWord &&
      this.ports === swappedPorts(other.ports) &&
      this.kind === reversedKind(other.kind) &&
      (this.high?.src0 ?? 0) === (other.high?.dst0 ?? 0) &&
      (this.high?.src1 ?? 0) === (other.high?.dst1 ?? 0) &&
      (this.high?.src2 ?? 0) === (other.high?.dst2 ?? 0) &&
      (this.high?.dst0 ?? 0) === (other.high?.src0 ?? 0) &&
      (this.high?.dst1 ?? 0) === (other.high?.src1 ?? 0) &&
      (this.high?.dst2 ?? 0) === (other.high?.src2 ?? 0)
    );
  }

  /** The tuple of an answer to this one. */
  reversed(table: { internReversed(tuple: Tuple): Tuple }): Tuple {
    return this.partner ?? table.internReversed(this);
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

/** `Tuple.kind` of these fields. */
export function tupleKind(family: number, protocol: number, sport: number, dport: number): number {
  return (
    (protocol & 0xffff) |
    (family << FAMILY_SHIFT) |
    (sport < 0 ? NO_SPORT : 0) |
    (dport < 0 ? NO_DPORT : 0)
  );
}

/** `Tuple.kind` of the reverse. */
export function reversedKind(kind: number): number {
  const ports = kind & (NO_SPORT | NO_DPORT);
  return ports === NO_SPORT || ports === NO_DPORT ? kind ^ (NO_SPORT | NO_DPORT) : kind;
}

/** `Tuple.ports` of the reverse. */
export function swappedPorts(ports: number): number {
  return (ports << 16) | (ports >>> 16);
}

/** `Tuple.ports` of two ports; one that is absent counts as 0. */
export function tuplePorts(sport: number, dport: number): number {
  return (sport < 0 ? 0 : sport << 16) | (dport < 0 ? 0 : dport & 0xffff);
}

/**
 * Whether both addresses mean the same host beyond one link: no loopback, link-local, multicast,
 * broadcast or unspecified address (RFC 6890, tables 1 to 5 and 17 to 20).
 */
export function isRouted(tuple: Tuple): boolean {
  return tuple.family === 4
    ? isRouted4(tuple.src3) && isRouted4(tuple.dst3)
    : isRouted6(tuple.src0, tuple.src1, tuple.src2, tuple.src3) &&
        isRouted6(tuple.dst0, tuple.dst1, tuple.dst2, tuple.dst3);
}

function isRouted4(word: number): boolean {
  const first = word >>> 24;
  return first !== 0 && first !== 127 && first < 224 && word >>> 16 !== 0xa9fe;
}

function isRouted6(word0: number, word1: number, word2: number, word3: number): boolean {
  const isLoopback = word0 === 0 && word1 === 0 && word2 === 0 && word3 <= 1;
  return !isLoopback && word0 >>> 24 !== 0xff && word0 >>> 22 !== 0xfe80 >>> 6;
}
