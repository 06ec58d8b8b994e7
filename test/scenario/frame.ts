/** A frame on a device, in the words both tcpdump and hopscope have for it. */
export interface Frame {
  /** `netns/device`. */
  readonly place: string;
  readonly stage: 'egress' | 'ingress';
  /** As `tcpdump -e` prints it on that device, bytes. */
  readonly len: number;
  readonly mac: { readonly src: string; readonly dst: string } | null;
  readonly outer: {
    readonly type: 'vxlan' | 'ipip';
    readonly src: string;
    readonly dst: string;
    readonly sport: number | null;
    readonly dport: number | null;
    readonly vni: number | null;
    /** Bytes of the frame that are neither its link header nor the inner packet. */
    readonly overhead: number;
  } | null;
  readonly proto: 'tcp' | 'udp' | 'icmp' | 'arp';
  readonly src: string;
  readonly dst: string;
  readonly sport: number | null;
  readonly dport: number | null;
  readonly ttl: number | null;
  readonly ipId: number | null;
  readonly icmp: { readonly type: number; readonly id: number; readonly seq: number } | null;
  readonly tcp: TcpFields | null;
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
 * What tells one packet from another wherever it is seen: no hop rewrites any of it.
 */
export function packetKey(frame: Frame): string {
  const { proto, icmp, tcp, ipId } = frame;
  if (icmp !== null) return `icmp type ${icmp.type} id ${icmp.id} seq ${icmp.seq}`;
  if (tcp !== null) return `tcp ${tcp.flags} ack ${tcp.ack} length ${tcp.payload} ip-id ${ipId}`;
  if (proto === 'arp') return `arp ${[frame.src, frame.dst].sort().join(' ')}`;
  return `${proto} ip-id ${ipId}`;
}
