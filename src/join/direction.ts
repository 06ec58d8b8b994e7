import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import { TCP_ACK, TCP_SYN } from '../packet/tcp.js';
import { CT_IS_REPLY, CT_UNTRACKED, ownConntrack } from './conntrack.js';
import type { Path } from './path.js';

const ICMP_ECHO_REPLY = 0;
const ICMPV6_ECHO_REPLY = 129;

/** Whether a packet, of whose connection nothing else is known, is an answer. */
export function isReply(path: Path): boolean {
  if (path.protocol === PROTO_TCP && (path.tcpFlags & TCP_SYN) !== 0) {
    return (path.tcpFlags & TCP_ACK) !== 0;
  }
  if (path.protocol === PROTO_ICMP && path.icmpType === ICMP_ECHO_REPLY) {
    return true;
  }
  if (path.protocol === PROTO_ICMPV6 && path.icmpType === ICMPV6_ECHO_REPLY) {
    return true;
  }
  const { columns } = path;
  for (let at = 0; at < columns.length; at++) {
    const ct = ownConntrack(columns.headers[at], columns.ct[at]);
    if (ct !== null && ct.info !== CT_UNTRACKED) {
      return ct.info >= CT_IS_REPLY;
    }
  }
  return false;
}
