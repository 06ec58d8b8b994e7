/** A frame on a device, in the words both tcpdump and hopscope have for it. */
export interface Frame {
  /** `netns/device`. */
  readonly place: string;
  readonly stage: 'egress' | 'ingress';
  /** As `tcpdump -e` prints it on that device, bytes. */
  readonly len: number;
  readonly mac: { readonly src: string; readonly dst: string } | null;
  readonly outer: {
    readonly type: 'vxlan' | 'ipip' | 'wireguard';
    readonly src: string;
    readonly dst: string;
    readonly sport: number | null;
    readonly dport: number | null;
    readonly vni: number | null;
    /** Bytes of the frame that are neither its link header nor the inner packet. */
    readonly overhead: number;
  } | null;
  /** `null` where only the first fragment of a packet shows it: IPv6 fragments after it. */
  readonly proto: 'tcp' | 'udp' | 'icmp' | 'icmpv6' | 'arp' | null;
  readonly src: string;
  readonly dst: string;
  readonly sport: number | null;
  readonly dport: number | null;
  /** Time to live or hop limit. */
  readonly ttl: number | null;
  /** Of IPv4, or of the fragment header of an IPv6 fragment. */
  readonly ipId: number | null;
  /** Of a fragment of a packet, bytes; after the first fragment there are no ports, no types. */
  readonly fragmentOffset: number | null;
  readonly icmp: IcmpFields | null;
  readonly tcp: TcpFields | null;
}

export interface IcmpFields {
  readonly type: number;
  /** Of an echo. */
  readonly id: number | null;
  readonly seq: number | null;
  /** Of an error that has it: the largest packet that would have passed, bytes. */
  readonly mtu: number | null;
}

export interface TcpFields {
  readonly flags: string;
  /** tcpdump leaves it out of a segment that takes up no sequence space: `null` there. */
  readonly seq: number | null;
  readonly ack: number;
  readonly payload: number;
  readonly mss: number | null;
  readonly windowScale: number | null;
}

/**
 * What distinguishes one packet from another wherever it is seen: no hop rewrites any of it.
 * A fragment after the first has of that only the identification it shares with the first.
 */
export function packetKey(frame: Frame): string {
  const { proto, icmp, tcp, ipId } = frame;
  if ((frame.fragmentOffset ?? 0) > 0) return fragmentKey(frame);
  if (icmp !== null && icmp.id !== null) {
    return `${proto} type ${icmp.type} id ${icmp.id} seq ${icmp.seq}`;
  }
  if (icmp !== null) return `${proto} type ${icmp.type} ip-id ${ipId}`;
  if (tcp !== null) {
    const place = ipId === null ? `seq ${tcp.seq}` : `ip-id ${ipId}`;
    return `tcp ${tcp.flags} ack ${tcp.ack} length ${tcp.payload} ${place}`;
  }
  if (proto === 'arp') return `arp ${[frame.src, frame.dst].sort().join(' ')}`;
  return `${proto} ip-id ${ipId}`;
}

/** What the fragments of one packet have in common. */
export function fragmentKey({ src, dst, ipId }: Frame): string {
  return `fragments of ${src} > ${dst} ip-id ${ipId}`;
}

/** ICMPv6: listeners to groups 130 to 132 and 143, routers and neighbours 133 to 137. */
const FIRST_LINK_TALK = 130;
const LAST_LINK_TALK = 143;

/** Whether a packet is talk of a link, of no connection: ARP, and what IPv6 has instead. */
export function isLinkTalk(proto: string | null | undefined, icmpType = 0): boolean {
  if (proto === 'arp') return true;
  return proto === 'icmpv6' && icmpType >= FIRST_LINK_TALK && icmpType <= LAST_LINK_TALK;
}

/** Whether it reports a packet that did not arrive, and is of no connection itself. */
export function isIcmpError({ proto, icmp }: Frame): boolean {
  if (icmp === null) return false;
  return proto === 'icmpv6' ? icmp.type < 128 : [3, 4, 5, 11, 12].includes(icmp.type);
}
