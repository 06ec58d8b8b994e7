/** Parameters of tunnel devices: IFLA_INFO_DATA of each kind (include/uapi/linux/if_link.h, if_tunnel.h). */
import type { Tunnel } from './description.js';
import { type IpAddress, isUnspecified } from './ip-address.js';
import { addressAt } from './netlink-address.js';
import { type Attributes, be16, be32, u8, u16, u32 } from './netlink-message.js';

const IPTUN = {
  ...{ link: 1, local: 2, remote: 3, encapLimit: 6, flags: 8, pmtudisc: 10 },
  ...{ encapType: 15, collectMetadata: 19, fwmark: 20 },
} as const;
const GRE = {
  ...{ link: 1, oflags: 3, okey: 5, local: 6, remote: 7, pmtudisc: 10, encapLimit: 11, flags: 13 },
  ...{ encapType: 14, collectMetadata: 18, ignoreDf: 19, fwmark: 20 },
} as const;
const VXLAN = {
  ...{ id: 1, group: 2, link: 3, local: 4, port: 15, group6: 16, local6: 17 },
  ...{ collectMetadata: 25, gpe: 27, df: 29 },
} as const;
const GENEVE = {
  ...{ id: 1, remote: 2, port: 5, collectMetadata: 6, remote6: 7, df: 13, innerProto: 14 },
} as const;
/** GRE_CSUM, GRE_KEY and GRE_SEQ, in network byte order. */
const GRE_FLAG = { checksum: 0x8000, key: 0x2000, sequence: 0x1000 } as const;
/** IP6_TNL_F_IGN_ENCAP_LIMIT. */
const NO_ENCAP_LIMIT = 1;
const WITHIN: readonly Tunnel['within'][] = [null, 'fou', 'gue'];
const DF: readonly Tunnel['df'][] = ['unset', 'set', 'inherit'];

const IPTUN_KINDS = new Set(['ipip', 'sit', 'ip6tnl']);
const GRE_KINDS = new Set(['gre', 'gretap', 'ip6gre', 'ip6gretap']);

const PLAIN = {
  ...{ local: null, remote: null, device: null, mark: 0, pmtuDiscovery: null, ignoresDf: false },
  ...{
    df: null,
    id: null,
    port: null,
    listens: null,
    hasKey: false,
    hasChecksum: false,
    hasSequence: false,
  },
  ...{ hasEthernet: false, encapsulationLimit: null, within: null, isExternal: false, peers: [] },
} as const satisfies Omit<Tunnel, 'kind'>;

/** Null for a device that is no tunnel, or of a kind whose headers are not known. */
export function decodeTunnel(kind: string, data: Attributes): Tunnel | null {
  if (IPTUN_KINDS.has(kind)) return decodeIptun(kind, data);
  if (GRE_KINDS.has(kind)) return decodeGre(kind, data);
  if (kind === 'vxlan') return decodeVxlan(data);
  if (kind === 'geneve') return decodeGeneve(data);
  // Its peers come from another netlink protocol.
  return kind === 'wireguard' ? { ...PLAIN, kind } : null;
}

function decodeIptun(kind: string, data: Attributes): Tunnel {
  const isV6 = kind === 'ip6tnl';
  return {
    ...PLAIN,
    kind,
    ...ends(data, IPTUN.local, IPTUN.remote),
    device: positive(u32(data, IPTUN.link)),
    mark: u32(data, IPTUN.fwmark) ?? 0,
    pmtuDiscovery: isV6 ? null : u8(data, IPTUN.pmtudisc) !== 0,
    encapsulationLimit: isV6
      ? encapsulationLimit(u32(data, IPTUN.flags), u8(data, IPTUN.encapLimit))
      : null,
    within: WITHIN[u16(data, IPTUN.encapType) ?? 0] ?? null,
    isExternal: data.has(IPTUN.collectMetadata),
  };
}

function decodeGre(kind: string, data: Attributes): Tunnel {
  const isV6 = kind.startsWith('ip6');
  const flags = be16(data, GRE.oflags) ?? 0;
  const hasKey = (flags & GRE_FLAG.key) !== 0;
  return {
    ...PLAIN,
    kind,
    ...ends(data, GRE.local, GRE.remote),
    device: positive(u32(data, GRE.link)),
    mark: u32(data, GRE.fwmark) ?? 0,
    pmtuDiscovery: isV6 ? null : u8(data, GRE.pmtudisc) !== 0,
    ignoresDf: (u8(data, GRE.ignoreDf) ?? 0) !== 0,
    id: hasKey ? be32(data, GRE.okey) : null,
    hasKey,
    hasChecksum: (flags & GRE_FLAG.checksum) !== 0,
    hasSequence: (flags & GRE_FLAG.sequence) !== 0,
    hasEthernet: kind.endsWith('tap'),
    encapsulationLimit: isV6
      ? encapsulationLimit(u32(data, GRE.flags), u8(data, GRE.encapLimit))
      : null,
    within: WITHIN[u16(data, GRE.encapType) ?? 0] ?? null,
    isExternal: data.has(GRE.collectMetadata),
  };
}

function decodeVxlan(data: Attributes): Tunnel {
  return {
    ...PLAIN,
    kind: 'vxlan',
    local: address(data, VXLAN.local) ?? address(data, VXLAN.local6),
    remote: address(data, VXLAN.group) ?? address(data, VXLAN.group6),
    device: positive(u32(data, VXLAN.link)),
    id: u32(data, VXLAN.id),
    port: be16(data, VXLAN.port),
    // With GPE the inner packet may have no Ethernet header (vxlan_headroom).
    hasEthernet: !data.has(VXLAN.gpe),
    df: DF[u8(data, VXLAN.df) ?? 0] ?? null,
    isExternal: (u8(data, VXLAN.collectMetadata) ?? 0) !== 0,
  };
}

function decodeGeneve(data: Attributes): Tunnel {
  return {
    ...PLAIN,
    kind: 'geneve',
    remote: address(data, GENEVE.remote) ?? address(data, GENEVE.remote6),
    id: u32(data, GENEVE.id),
    port: be16(data, GENEVE.port),
    hasEthernet: !data.has(GENEVE.innerProto),
    df: DF[u8(data, GENEVE.df) ?? 0] ?? null,
    isExternal: data.has(GENEVE.collectMetadata),
  };
}

function ends(
  data: Attributes,
  local: number,
  remote: number,
): { readonly local: IpAddress | null; readonly remote: IpAddress | null } {
  return { local: address(data, local), remote: address(data, remote) };
}

/** Null for the address that stands for any. */
function address(data: Attributes, type: number): IpAddress | null {
  const found = addressAt(data, type);
  return found === null || isUnspecified(found) ? null : found;
}

function encapsulationLimit(flags: number | null, limit: number | null): number | null {
  return ((flags ?? 0) & NO_ENCAP_LIMIT) !== 0 ? null : limit;
}

function positive(value: number | null): number | null {
  return value === null || value === 0 ? null : value;
}
