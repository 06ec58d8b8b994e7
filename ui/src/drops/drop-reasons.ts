/** What a drop reason of the kernel means, and what to look at next. */
export interface ReasonWords {
  readonly meaning: string;
  readonly next: string;
}

const RULES =
  'The rules that the packet met are listed at its last hops; `hopscope explain` says them too.';

/** By the name of enum skb_drop_reason (include/net/dropreason-core.h), without its prefix. */
const WORDS: Readonly<Record<string, ReasonWords>> = {
  NETFILTER_DROP: { meaning: 'A rule of iptables, nftables or a policy dropped it.', next: RULES },
  NO_SOCKET: {
    meaning: 'No socket listens at that address and port in the namespace it came to.',
    next: 'Is the process up, on that port and address? `ss -lnp` in the namespace.',
  },
  IP_NOPROTO: {
    meaning: 'Nothing in the kernel takes this protocol.',
    next: 'Is the module of the tunnel or protocol loaded?',
  },
  IP_INNOROUTES: {
    meaning: 'It came in and no route leads on, or its source is not where it should come from.',
    next: '`ip route get` for the destination, and rp_filter of the device.',
  },
  IP_OUTNOROUTES: {
    meaning: 'It was to be sent and no route leads to its destination.',
    next: '`ip route get` in the namespace; is a node or a block of pods missing?',
  },
  IP_RPFILTER: {
    meaning: 'Its source is not reached by the device that it came in by.',
    next: 'rp_filter of the device, and the route back to the source.',
  },
  PKT_TOO_BIG: {
    meaning: 'It is larger than the MTU of the device that was to send it.',
    next: '`hopscope mtu` names the device that sets the MTU of the way.',
  },
  NEIGH_FAILED: {
    meaning: 'The next station’s MAC address was not found.',
    next: 'Is the neighbour up? `ip neigh`; for a pod also proxy_arp of its veth.',
  },
  TCP_OLD_SEQUENCE: {
    meaning: 'It is a copy of what had arrived: no loss.',
    next: 'Why it was sent twice: see “sent again” on the flow’s page.',
  },
  TCP_RESET: {
    meaning: 'A reset that came in and was taken.',
    next: 'Who sent it: “closed by” on the flow’s page.',
  },
  SOCKET_RCVBUFF: {
    meaning: 'The receive buffer of the socket is full: the process does not read in time.',
    next: 'CPU of the process, and net.core.rmem_max.',
  },
  FULL_RING: {
    meaning: 'The ring of a device is full.',
    next: 'Queue lengths of the device, and the load of the CPU that serves it.',
  },
  QDISC_DROP: {
    meaning: 'The queueing discipline of a device dropped it.',
    next: '`tc -s qdisc show` of the device.',
  },
  TC_INGRESS: {
    meaning: 'A tc program or filter dropped it.',
    next: '`tc filter show` and `bpftool net`.',
  },
  TC_EGRESS: {
    meaning: 'A tc program or filter dropped it.',
    next: '`tc filter show` and `bpftool net`.',
  },
  CPU_BACKLOG: {
    meaning: 'The backlog of a CPU is full.',
    next: 'net.core.netdev_max_backlog, and which CPU takes the packets.',
  },
  UNHANDLED_PROTO: {
    meaning: 'No handler for the frame’s protocol.',
    next: 'Often talk of the link itself; look at the frame’s type.',
  },
  NOT_SPECIFIED: {
    meaning: 'The kernel does not say why.',
    next: 'The function at the drop’s hop, and the device: is it down, or its MTU too small?',
  },
};

export function reasonWords(reason: string): ReasonWords {
  return (
    WORDS[reason] ?? {
      meaning: 'A reason of the kernel’s that has no explanation here.',
      next: 'Its name in include/net/dropreason-core.h, and the function at the drop’s hop.',
    }
  );
}
