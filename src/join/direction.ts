import { ICMP_ECHO, ICMP_ECHO_REPLY } from '../packet/icmp.js';
import { ICMPV6_ECHO, ICMPV6_ECHO_REPLY } from '../packet/icmpv6.js';
import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import { TCP_ACK, TCP_SYN } from '../packet/tcp.js';
import { type Conntrack, CT_IS_REPLY, CT_UNTRACKED } from './conntrack.js';
import { nextOwnConntrack } from './own-conntrack.js';
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
  const { columns } = path;
  for (let i = nextOwnConntrack(columns, 0); i >= 0; i = nextOwnConntrack(columns, i + 1)) {
    const { info } = columns.ct[i] as Conntrack;
    if (info !== CT_UNTRACKED) {
      return info >= CT_IS_REPLY;
    }
  }
  return null;
}
