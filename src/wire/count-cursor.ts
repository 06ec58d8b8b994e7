import { PROTO_ICMP, PROTO_ICMPV6 } from '../packet/proto.js';
import { TCP_FIN, TCP_RST, TCP_SYN } from '../packet/tcp.js';
import { AF_INET, AF_INET6 } from './address-family.js';
import type { Epoch } from './clock.js';
import * as layout from './count-layout.gen.js';

const HIGH_WORD = 4294967296;
const NOTHING = new Uint8Array(0);
const ALL: EntryChoice = { since: Number.NEGATIVE_INFINITY, isKnown: () => false };

/** Which entries of a batch are given out. */
export interface EntryChoice {
  /** Nanoseconds since the epoch: those whose last packet is older are passed over. */
  readonly since: number;
  /** Asked of those that are not older: what is known is passed over. */
  isKnown(index: number): boolean;
}

/** Addresses and ports of one direction, as src/join/tuple.ts has them. Reused. */
export class CountedTuple {
  /** 4 or 6. */
  family = 0;
  protocol = 0;
  /** Four words each; an IPv4 address is the last one. */
  readonly src = new Uint32Array(4);
  readonly dst = new Uint32Array(4);
  /** The identifier of an ICMP echo in both; -1 where there are none. */
  sport = -1;
  dport = -1;
}

/**
 * Walks the entries of one batch of the counter's map. It borrows: its fields are valid
 * until the next `next()`. Counts are of everything since the entry was made and grow;
 * an entry that is removed is given once more, `gone`, with its last values, and the same
 * key starts from 0 when it comes again. Times are nanoseconds since the epoch given.
 */
export class CountCursor extends CountedTuple {
  /** Inode number of the device's network namespace. */
  netns = 0;
  ifindex = 0;
  /** Seen from the device's namespace: `in` is what the device receives. */
  direction: 'in' | 'out' = 'in';
  /** Packets, a GSO packet being one. */
  packets = 0;
  /** Bytes of IP packets, without link headers. */
  bytes = 0;
  /** Bytes of the largest IP packet; of a GSO packet, of its segments. */
  largest = 0;
  /** TCP flags seen, as in the header's 14th byte. */
  tcpFlags = 0;
  first = 0;
  /** To a tick of the kernel's clock, up to 10 ms early. */
  last = 0;
  /** Whether the entry is out of the map: these are its last values. */
  gone = false;
  /** Entries given out so far. */
  rows = 0;

  readonly #epoch: Epoch;
  readonly #original = new CountedTuple();
  readonly #reply = new CountedTuple();
  #keys: DataView = new DataView(new ArrayBuffer(0));
  #values: DataView = this.#keys;
  #keyBytes: Uint8Array | null = null;
  #valueBytes: Uint8Array | null = null;
  #index = -1;
  #count = 0;
  #choice = ALL;
  #hasConntrack = false;

  constructor(epoch: Epoch) {
    super();
    this.#epoch = epoch;
  }

  /** Starts on the first `count` entries of a batch; without a choice all are given out. */
  borrow(keys: Uint8Array, values: Uint8Array, count: number, gone: boolean, choice = ALL): void {
    if (this.#keyBytes !== keys) {
      this.#keyBytes = keys;
      this.#keys = new DataView(keys.buffer, keys.byteOffset, keys.byteLength);
    }
    if (this.#valueBytes !== values) {
      this.#valueBytes = values;
      this.#values = new DataView(values.buffer, values.byteOffset, values.byteLength);
    }
    this.#index = -1;
    this.#count = Math.min(
      count,
      Math.floor(keys.byteLength / layout.SIZEOF_COUNT_KEY),
      Math.floor(values.byteLength / layout.SIZEOF_COUNT),
    );
    this.gone = gone;
    this.#choice = choice;
  }

  /** Moves to the next entry that is chosen; false at the end of the batch. */
  next(): boolean {
    for (this.#index += 1; this.#index < this.#count; this.#index += 1) {
      const value = this.#index * layout.SIZEOF_COUNT;
      this.last = this.#time(value + layout.COUNT_LAST);
      // An entry without a packet is one that is being made just now.
      const packets = this.#long(value + layout.COUNT_PACKETS);
      if (packets > 0 && this.last >= this.#choice.since && !this.#choice.isKnown(this.#index)) {
        this.packets = packets;
        this.#read(this.#index * layout.SIZEOF_COUNT_KEY, value);
        this.rows += 1;
        return true;
      }
    }
    return false;
  }

  /** Index of the current entry in the batch. */
  get index(): number {
    return this.#index;
  }

  /** Time of the last packet of entry `index`, whether it is given out or not. */
  lastOf(index: number): number {
    return this.#time(index * layout.SIZEOF_COUNT + layout.COUNT_LAST);
  }

  /**
   * Tuple of the connection's original direction as conntrack has it, null when no entry
   * was seen with a packet of this flow here: on the way in none is there yet.
   */
  get ctOriginal(): CountedTuple | null {
    return this.#conntrackTuple(layout.COUNT_ORIGINAL, this.#original);
  }

  /** The same of the reply direction. */
  get ctReply(): CountedTuple | null {
    return this.#conntrackTuple(layout.COUNT_REPLY, this.#reply);
  }

  /** IPS_* of the conntrack entry when it was seen; 0 without one. */
  get ctStatus(): number {
    return this.#hasConntrack ? this.#u32(layout.COUNT_STATUS) : 0;
  }

  /** Conntrack zone; 0 without an entry. */
  get ctZone(): number {
    return this.#hasConntrack
      ? this.#values.getUint16(this.#valueOffset + layout.COUNT_ZONE, true)
      : 0;
  }

  /** TCP segments with SYN, with FIN, with RST. */
  get syn(): number {
    return this.#u32(layout.COUNT_SYN);
  }
  get fin(): number {
    return this.#u32(layout.COUNT_FIN);
  }
  get rst(): number {
    return this.#u32(layout.COUNT_RST);
  }

  /** TCP segments with payload that end no later in the stream than an earlier one. */
  get repeated(): number {
    return this.#u32(layout.COUNT_REPEATED);
  }

  #read(key: number, value: number): void {
    const keys = this.#keys;
    const values = this.#values;
    this.netns = keys.getUint32(key + layout.COUNT_KEY_NETNS, true);
    this.ifindex = keys.getUint32(key + layout.COUNT_KEY_IFINDEX, true);
    this.direction =
      keys.getUint8(key + layout.COUNT_KEY_DIRECTION) === layout.COUNT_OUT ? 'out' : 'in';
    this.family = keys.getUint8(key + layout.COUNT_KEY_FAMILY);
    this.protocol = keys.getUint8(key + layout.COUNT_KEY_PROTOCOL);
    for (let word = 0; word < 4; word++) {
      this.src[word] = keys.getUint32(key + layout.COUNT_KEY_SRC + 4 * word, false);
      this.dst[word] = keys.getUint32(key + layout.COUNT_KEY_DST + 4 * word, false);
    }
    const ports = keys.getUint8(key + layout.COUNT_KEY_PORTS);
    const has = ports === layout.COUNT_PORTS_REAL || ports === layout.COUNT_PORTS_ECHO;
    this.sport = has ? keys.getUint16(key + layout.COUNT_KEY_SPORT, false) : -1;
    this.dport = has ? keys.getUint16(key + layout.COUNT_KEY_DPORT, false) : -1;
    this.bytes = this.#long(value + layout.COUNT_BYTES);
    this.largest = values.getUint32(value + layout.COUNT_LARGEST, true);
    // Flags are noted without a lock, counts of those that open and close with one.
    this.tcpFlags =
      values.getUint8(value + layout.COUNT_TCP_FLAGS) |
      (values.getUint32(value + layout.COUNT_FIN, true) > 0 ? TCP_FIN : 0) |
      (values.getUint32(value + layout.COUNT_SYN, true) > 0 ? TCP_SYN : 0) |
      (values.getUint32(value + layout.COUNT_RST, true) > 0 ? TCP_RST : 0);
    this.first = this.#time(value + layout.COUNT_FIRST);
    const begun = values.getUint32(value + layout.COUNT_CT_BEGUN, true);
    this.#hasConntrack =
      begun !== 0 && begun === values.getUint32(value + layout.COUNT_CT_ENDED, true);
  }

  #conntrackTuple(member: number, tuple: CountedTuple): CountedTuple | null {
    if (!this.#hasConntrack) {
      return null;
    }
    const values = this.#values;
    const at = this.#valueOffset + member;
    const l3num = values.getUint16(at + layout.COUNT_TUPLE_L3NUM, true);
    if (l3num !== AF_INET && l3num !== AF_INET6) {
      return null;
    }
    tuple.family = l3num === AF_INET ? 4 : 6;
    tuple.protocol = values.getUint8(at + layout.COUNT_TUPLE_PROTONUM);
    tuple.src.fill(0);
    tuple.dst.fill(0);
    // union nf_inet_addr has an IPv4 address in its first word.
    for (let word = 0; word < (l3num === AF_INET ? 1 : 4); word++) {
      const to = l3num === AF_INET ? 3 : word;
      tuple.src[to] = values.getUint32(at + layout.COUNT_TUPLE_SRC + 4 * word, false);
      tuple.dst[to] = values.getUint32(at + layout.COUNT_TUPLE_DST + 4 * word, false);
    }
    const isIcmp = tuple.protocol === PROTO_ICMP || tuple.protocol === PROTO_ICMPV6;
    tuple.sport = values.getUint16(at + layout.COUNT_TUPLE_SPORT, false);
    tuple.dport = isIcmp ? tuple.sport : values.getUint16(at + layout.COUNT_TUPLE_DPORT, false);
    return tuple;
  }

  /** The entry as the kernel has it: key, value. Borrowed. */
  get entry(): readonly [Uint8Array, Uint8Array] {
    const key = this.#index * layout.SIZEOF_COUNT_KEY;
    const value = this.#valueOffset;
    return [
      (this.#keyBytes ?? NOTHING).subarray(key, key + layout.SIZEOF_COUNT_KEY),
      (this.#valueBytes ?? NOTHING).subarray(value, value + layout.SIZEOF_COUNT),
    ];
  }

  get #valueOffset(): number {
    return this.#index * layout.SIZEOF_COUNT;
  }

  #u32(member: number): number {
    return this.#values.getUint32(this.#valueOffset + member, true);
  }

  #long(offset: number): number {
    return (
      this.#values.getUint32(offset + 4, true) * HIGH_WORD + this.#values.getUint32(offset, true)
    );
  }

  #time(offset: number): number {
    return this.#epoch.sinceHalves(
      this.#values.getUint32(offset, true),
      this.#values.getUint32(offset + 4, true),
    );
  }
}
