import { ICMP_ECHO, ICMP_ECHO_REPLY } from '../packet/icmp.js';
import { ICMPV6_ECHO, ICMPV6_ECHO_REPLY } from '../packet/icmpv6.js';
import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import { TCP_ACK, TCP_SYN } from '../packet/tcp.js';
import { CT_IS_REPLY, CT_UNTRACKED, ownConntrack } from './conntrack.js';
import type { Headers } from './headers.js';
import type { Path } from './path.js';

/** Whether a packet, of whose connection nothing else is known, is an answer. */
export function isReply(path: Path): boolean {
  return answers(path) === true;
}

/** Whether a packet is an answer; null where nothing about it proves which. */
export function answers(path: Path): boolean | null {
  if (path.protocol === PROTO_TCP && path.tcpFlags >= 0 && (path.tcpFlags & TCP_SYN) !== 0) {
    return (path.tcpFlags & TCP_ACK) !== 0;
  }
  if (path.protocol === PROTO_ICMP) {
    if (path.icmpType === ICMP_ECHO_REPLY) return true;
    if (path.icmpType === ICMP_ECHO) return false;
  }
  if (path.protocol === PROTO_ICMPV6) {
    if (path.icmpType === ICMPV6_ECHO_REPLY) return true;
    if (path.icmpType === ICMPV6_ECHO) return false;
  }
  const { length, ct, headers } = path.columns;
  for (let i = 0; i < length; i++) {
    const own = ownConntrack(headers[i] as Headers, ct[i] ?? null);
    if (own !== null && own.info !== CT_UNTRACKED) {
      return own.info >= CT_IS_REPLY;
    }
  }
  return null;
}
