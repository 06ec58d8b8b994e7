import { isIPv6 } from 'node:net';

/** An address that ip_vs answers for. */
export interface VirtualServer {
  readonly proto: string;
  /** In its usual text form. */
  readonly ip: string;
  readonly port: number;
}

const SERVER = /^(TCP|UDP|SCTP) +(?:([0-9A-F]{8})|\[([0-9a-f:]+)\]):([0-9A-F]{4}) /u;

/**
 * The virtual servers of a namespace, in the text of /proc/net/ip_vs
 * (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show). Those that go by a firewall
 * mark have no address and are left out.
 */
export function virtualServers(table: string): VirtualServer[] {
  return table.split('\n').flatMap((line) => {
    const [, proto, ipv4, ipv6, port] = SERVER.exec(line) ?? [];
    if (proto === undefined || port === undefined) {
      return [];
    }
    const ip = ipv4 === undefined ? shortest(ipv6 ?? '') : dotted(ipv4);
    if (ip === null) {
      return [];
    }
    return [{ proto: proto.toLowerCase(), ip, port: Number.parseInt(port, 16) }];
  });
}

function dotted(hex: string): string {
  return [0, 2, 4, 6].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join('.');
}

/** The kernel writes all eight groups with leading zeros (%pI6). Null for what is no address. */
function shortest(ip: string): string | null {
  return isIPv6(ip) ? new URL(`http://[${ip}]/`).hostname.slice(1, -1) : null;
}
