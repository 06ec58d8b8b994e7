/** RTM_NEWLINK: the devices of a namespace. */
import { decodeTunnel } from './decode-tunnel.js';
import type { Link, Tunnel } from './description.js';
import {
  attributesOf,
  messagesOf,
  nested,
  requireBytes,
  s32,
  text,
  u32,
} from './netlink-message.js';

const RTM_NEWLINK = 16;
/** struct ifinfomsg: family, padding, type, index, flags, change. */
const IFINFOMSG = 16;
const IFLA = {
  ...{ ifname: 3, mtu: 4, link: 5, master: 10, linkinfo: 18, linkNetnsid: 37 },
  ...{ minMtu: 50, maxMtu: 51 },
} as const;
const INFO = { kind: 1, data: 2 } as const;
const IFF = { up: 1, loopback: 8, running: 0x40 } as const;

/** A link as one namespace describes it: other namespaces have numbers of its own. */
export interface DecodedLink extends Omit<Link, 'other' | 'underlay' | 'kind' | 'tunnel'> {
  readonly kind: string | null;
  readonly tunnel: Tunnel | null;
  /** IFLA_LINK: the other end of a veth, the device below. */
  readonly link: number | null;
  /** Number of the namespace that `link` or the outer routing is in; null for this one. */
  readonly linkNetnsId: number | null;
}

/** @throws NetlinkError `NETLINK_MALFORMED` */
export function decodeLinks(data: Uint8Array): DecodedLink[] {
  const links: DecodedLink[] = [];
  for (const { type, body } of messagesOf(data)) {
    if (type !== RTM_NEWLINK) continue;
    requireBytes(body, IFINFOMSG);
    const flags = body.getUint32(8, true);
    const attributes = attributesOf(body, IFINFOMSG);
    const info = nested(attributes, IFLA.linkinfo);
    const kind = text(info, INFO.kind);
    const id = s32(attributes, IFLA.linkNetnsid);
    links.push({
      ifindex: body.getInt32(4, true),
      name: text(attributes, IFLA.ifname) ?? '',
      kind,
      mtu: u32(attributes, IFLA.mtu) ?? 0,
      minMtu: u32(attributes, IFLA.minMtu) ?? 0,
      maxMtu: u32(attributes, IFLA.maxMtu) ?? 0,
      isUp: (flags & IFF.up) !== 0,
      isRunning: (flags & IFF.running) !== 0,
      isLoopback: (flags & IFF.loopback) !== 0,
      master: u32(attributes, IFLA.master),
      link: u32(attributes, IFLA.link),
      // -1 is NETNSA_NSID_NOT_ASSIGNED.
      linkNetnsId: id === null || id < 0 ? null : id,
      tunnel: kind === null ? null : decodeTunnel(kind, nested(info, INFO.data)),
    });
  }
  return links;
}
