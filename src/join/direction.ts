import { PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP } from '../packet/proto.js';
import { ownConntrack } from './hop.js';
import type { Path } from './path.js';

const TCP_SYN = 0x02;
const TCP_ACK = 0x10;
/** enum ip_conntrack_info (include/uapi/linux/netfilter/nf_conntrack_common.h). */
const IP_CT_IS_REPLY = 3;
const IP_CT_UNTRACKED = 7;
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
  for (const hop of path.hops) {
    const ct = ownConntrack(hop);
    if (ct !== null && ct.info !== IP_CT_UNTRACKED) {
      return ct.info >= IP_CT_IS_REPLY;
    }
  }
  return false;
}
