import { PROTO_ICMP, PROTO_ICMPV6 } from '../packet/proto.js';
import { AF_INET, AF_INET6 } from '../wire/address-family.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import type { Conntrack } from './conntrack.js';
import { NO_CONNTRACK } from './conntrack.js';
import type { Tuple } from './tuple.js';
import type { TupleTable } from './tuple-table.js';

/** Observations without an entry of their own, by `info`: untracked packets, templates. */
const WITHOUT_ENTRY: readonly Conntrack[] = Array.from({ length: 8 }, (_, info) => ({
  info,
  status: 0,
  zone: 0,
  address: 0,
  original: null,
  reply: null,
}));

/** Entries remembered, by a hash of their address. A power of two. */
const NEAR_ENTRIES = 4_096;

/** What conntrack said last of each entry: most packets of a connection find it unchanged. */
export class ConntrackEntries {
  readonly #near: (Conntrack | null)[] = new Array<Conntrack | null>(NEAR_ENTRIES).fill(null);
  readonly #tuples: TupleTable;

  constructor(tuples: TupleTable) {
    this.#tuples = tuples;
  }

  /**
   * What conntrack says of a packet at the hop under the cursor: what it said at the hop before
   * unless the kernel sent it anew.
   */
  of(hop: TrailCursor, last: Conntrack | null): Conntrack | null {
    if (hop.ctInfo === NO_CONNTRACK) {
      return null;
    }
    if ((hop.flags & layout.HOP_CONNTRACK) === 0) {
      // Observed without an entry in between, and so not compared with the hop before.
      return last !== null && last.info === hop.ctInfo
        ? last
        : (WITHOUT_ENTRY[hop.ctInfo & 7] ?? null);
    }
    const { view, conntrack: at } = hop;
    const low = view.getUint32(at + layout.CONNTRACK_CT, true);
    const address =
      (view.getUint32(at + layout.CONNTRACK_CT + 4, true) & 0xffff) * 4294967296 + low;
    if (address === 0) {
      return WITHOUT_ENTRY[hop.ctInfo & 7] ?? null;
    }
    const info = hop.ctInfo;
    const status = view.getUint32(at + layout.CONNTRACK_STATUS, true);
    const zone = view.getUint16(at + layout.CONNTRACK_ZONE, true);
    const slot = (low >>> 8) & (NEAR_ENTRIES - 1);
    const near = this.#near[slot];
    // An entry's memory is soon another's: the tuples are compared, and a new entry has others.
    if (
      near != null &&
      near.address === address &&
      near.status === status &&
      near.info === info &&
      near.zone === zone &&
      isTuple(near.original, view, at, layout.CONNTRACK4_ORIGINAL) &&
      isTuple(near.reply, view, at, layout.CONNTRACK4_REPLY)
    ) {
      return near;
    }
    const { original, reply } = tuplesAt(view, at, this.#tuples);
    const entry = { info, status, zone, address, original, reply };
    this.#near[slot] = entry;
    return entry;
  }
}

/** Whether a tuple of the IPv4 entry at an offset is the one known, which is still in use. */
function isTuple(known: Tuple | null, view: DataView, at: number, field: number): boolean {
  const tuple = at + field;
  return (
    known?.interned === true &&
    view.getUint8(at + layout.CONNTRACK_L3NUM) === AF_INET &&
    known.family === 4 &&
    known.protocol === view.getUint8(at + layout.CONNTRACK_PROTONUM) &&
    known.src3 === view.getUint32(tuple + layout.TUPLE4_SRC, false) &&
    known.dst3 === view.getUint32(tuple + layout.TUPLE4_DST, false) &&
    known.sport === view.getUint16(tuple + layout.TUPLE4_SPORT, false) &&
    (known.isIcmp || known.dport === view.getUint16(tuple + layout.TUPLE4_DPORT, false))
  );
}

function tuplesAt(
  view: DataView,
  at: number,
  tuples: TupleTable,
): { original: Tuple | null; reply: Tuple | null } {
  const protocol = view.getUint8(at + layout.CONNTRACK_PROTONUM);
  switch (view.getUint8(at + layout.CONNTRACK_L3NUM)) {
    case AF_INET:
      return {
        original: tuple4(view, at + layout.CONNTRACK4_ORIGINAL, protocol, tuples),
        reply: tuple4(view, at + layout.CONNTRACK4_REPLY, protocol, tuples),
      };
    case AF_INET6:
      return {
        original: tuple6(view, at + layout.CONNTRACK6_ORIGINAL, protocol, tuples),
        reply: tuple6(view, at + layout.CONNTRACK6_REPLY, protocol, tuples),
      };
    default:
      return { original: null, reply: null };
  }
}

function tuple4(view: DataView, at: number, protocol: number, tuples: TupleTable): Tuple {
  const words = tuples.words.fill(0);
  words[3] = view.getUint32(at + layout.TUPLE4_SRC, false);
  words[7] = view.getUint32(at + layout.TUPLE4_DST, false);
  const sport = view.getUint16(at + layout.TUPLE4_SPORT, false);
  const dport = view.getUint16(at + layout.TUPLE4_DPORT, false);
  return tuples.intern(4, protocol, sport, isIcmp(protocol) ? sport : dport);
}

function tuple6(view: DataView, at: number, protocol: number, tuples: TupleTable): Tuple {
  const words = tuples.words;
  for (let i = 0; i < 4; i++) {
    words[i] = view.getUint32(at + layout.TUPLE6_SRC + 4 * i, false);
    words[4 + i] = view.getUint32(at + layout.TUPLE6_DST + 4 * i, false);
  }
  const sport = view.getUint16(at + layout.TUPLE6_SPORT, false);
  const dport = view.getUint16(at + layout.TUPLE6_DPORT, false);
  return tuples.intern(6, protocol, sport, isIcmp(protocol) ? sport : dport);
}

/** The identifier of an echo stands for both ports. */
function isIcmp(protocol: number): boolean {
  return protocol === PROTO_ICMP || protocol === PROTO_ICMPV6;
}
