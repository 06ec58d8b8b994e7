import type { PathRecord } from 'hopscope-protocol';

export const PACKET_SIGN = { delivered: '●', forwarded: '◐', dropped: '✕', unknown: '○' } as const;

/** What a packet is, in a few letters: its sign, TCP flags and payload, or its ICMP number. */
export function packetLabel({ verdict, hops, branch }: PathRecord): string {
  const tcp = hops.find((hop) => hop.tcp != null)?.tcp;
  const icmp = hops.find((hop) => hop.tuple?.icmp != null)?.tuple?.icmp;
  const what =
    tcp != null
      ? `[${tcp.flags}]${tcp.payload > 0 ? ` ${tcp.payload} B` : ''}`
      : icmp?.seq != null
        ? `seq ${icmp.seq}`
        : `${hops.length} hops`;
  return `${PACKET_SIGN[verdict]} ${what}${branch === undefined ? '' : ` ${branch}`}`;
}
