import type { DecodedPacket } from '../packet/decoded-packet.js';
import { PROTO_ICMP, PROTO_ICMPV6 } from '../packet/proto.js';
import { PROTOCOL_ARP, type Tuple } from './tuple.js';
import type { TupleTable } from './tuple-table.js';

/** The innermost tuple of a packet: `last` where it is that one, which spares a look-up. */
export function tupleOf(p: DecodedPacket, last: Tuple | null, tuples: TupleTable): Tuple {
  if (p.isArp) {
    const words = tuples.words.fill(0);
    words[3] = p.arpSenderIp;
    words[7] = p.arpTargetIp;
    return tuples.intern(4, PROTOCOL_ARP, -1, -1);
  }
  const sport = p.icmpType >= 0 ? p.icmpId : p.sport;
  const dport = p.icmpType >= 0 ? p.icmpId : p.dport;
  if (
    last !== null &&
    last.src3 === p.src3 &&
    last.dst3 === p.dst3 &&
    last.sport === sport &&
    last.dport === dport &&
    last.protocol === p.protocol &&
    last.family === p.family &&
    last.src0 === p.src0 &&
    last.src1 === p.src1 &&
    last.src2 === p.src2 &&
    last.dst0 === p.dst0 &&
    last.dst1 === p.dst1 &&
    last.dst2 === p.dst2
  ) {
    return last;
  }
  const words = tuples.words;
  words[0] = p.src0;
  words[1] = p.src1;
  words[2] = p.src2;
  words[3] = p.src3;
  words[4] = p.dst0;
  words[5] = p.dst1;
  words[6] = p.dst2;
  words[7] = p.dst3;
  return tuples.intern(p.family, p.protocol, sport, dport);
}

/** The tuple of the packet that an ICMP error quotes. */
export function quotedTupleOf(p: DecodedPacket, tuples: TupleTable): Tuple {
  const words = tuples.words;
  words[0] = p.quotedSrc0;
  words[1] = p.quotedSrc1;
  words[2] = p.quotedSrc2;
  words[3] = p.quotedSrc3;
  words[4] = p.quotedDst0;
  words[5] = p.quotedDst1;
  words[6] = p.quotedDst2;
  words[7] = p.quotedDst3;
  const icmp = p.quotedProtocol === PROTO_ICMP || p.quotedProtocol === PROTO_ICMPV6;
  return tuples.intern(
    p.quotedFamily,
    p.quotedProtocol,
    icmp ? p.quotedIcmpId : p.quotedSport,
    icmp ? p.quotedIcmpId : p.quotedDport,
  );
}
