import type { Tuple } from '../join/tuple.js';
import type { TupleTable } from '../join/tuple-table.js';
import { PROTO_ICMP, PROTO_ICMPV6 } from '../packet/proto.js';
import type { CountCursor, CountedTuple } from '../wire/count-cursor.js';
import type { Counted } from './counted.js';

/**
 * The count under the cursor as the flow table takes it; null for what is of no flow: an
 * ICMP error belongs to the flow of the packet it quotes, and neighbour discovery to a link.
 */
export function countedOf(row: CountCursor, tuples: TupleTable): Counted | null {
  if ((row.protocol === PROTO_ICMP || row.protocol === PROTO_ICMPV6) && row.sport < 0) {
    return null;
  }
  tuples.now = row.last;
  // Member by member: V8 copies what is spread into a literal ten times as slowly.
  return {
    netns: row.netns,
    ifindex: row.ifindex,
    direction: row.direction,
    packets: row.packets,
    bytes: row.bytes,
    largest: row.largest,
    tcpFlags: row.tcpFlags,
    first: row.first,
    last: row.last,
    gone: row.gone,
    tuple: interned(row, tuples),
    ctOriginal: internedOrNull(row.ctOriginal, tuples),
    ctReply: internedOrNull(row.ctReply, tuples),
  };
}

function internedOrNull(tuple: CountedTuple | null, tuples: TupleTable): Tuple | null {
  return tuple === null ? null : interned(tuple, tuples);
}

function interned(tuple: CountedTuple, tuples: TupleTable): Tuple {
  tuples.words.set(tuple.src, 0);
  tuples.words.set(tuple.dst, 4);
  return tuples.brief(tuple.family, tuple.protocol, tuple.sport, tuple.dport);
}
