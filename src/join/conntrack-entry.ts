import { PROTO_ICMP, PROTO_ICMPV6 } from '../packet/proto.js';
import * as layout from '../wire/layout.gen.js';
import type { TrailCursor } from '../wire/trail-cursor.js';
import type { Conntrack } from './conntrack.js';
import { NO_CONNTRACK } from './conntrack.js';
import type { Tuple, TupleTable } from './tuple.js';

const AF_INET = 2;
const AF_INET6 = 10;

/** Observations without an entry of their own, by `info`: untracked packets, templates. */
const WITHOUT_ENTRY: readonly Conntrack[] = Array.from({ length: 8 }, (_, info) => ({
  info,
  status: 0,
  zone: 0,
  address: 0,
  original: null,
  reply: null,
}));

/**
 * What conntrack says of a packet at the hop under the cursor: what it said at the hop before
 * unless the kernel sent it anew.
 */
export function conntrackOf(
  hop: TrailCursor,
  last: Conntrack | null,
  tuples: TupleTable,
): Conntrack | null {
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
  const address =
    (view.getUint32(at + layout.CONNTRACK_CT + 4, true) & 0xffff) * 4294967296 +
    view.getUint32(at + layout.CONNTRACK_CT, true);
  if (address === 0) {
    return WITHOUT_ENTRY[hop.ctInfo & 7] ?? null;
  }
  const status = view.getUint32(at + layout.CONNTRACK_STATUS, true);
  const zone = view.getUint16(at + layout.CONNTRACK_ZONE, true);
  // A translation sets a status bit when it rewrites the tuples.
  if (
    last !== null &&
    last.address === address &&
    last.status === status &&
    last.info === hop.ctInfo &&
    last.zone === zone
  ) {
    return last;
  }
  const { original, reply } = tuplesAt(view, at, tuples);
  return { info: hop.ctInfo, status, zone, address, original, reply };
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
