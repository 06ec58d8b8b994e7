/**
 * Where the other end of a device is. The kernel names the namespace of a veth's peer, of a device
 * below and of a tunnel's outer packets by a number that is valid in one namespace alone.
 */
import type { DecodedLink } from './decode-links.js';
import type { WireguardDevice } from './decode-wireguard.js';
import type { DeviceId, Link } from './description.js';
import { push } from './lists-by-key.js';

/** By namespace: which namespace each of its numbers for others stands for. */
export type LinkEnds = ReadonlyMap<number, ReadonlyMap<number, number>>;

export interface LinksOfNamespace {
  readonly netns: number;
  readonly links: readonly DecodedLink[];
}

const STACKED = new Set(['vlan', 'macvlan', 'macvtap', 'ipvlan', 'ipvtap', 'macsec']);

/** The namespaces that each namespace has to be asked its number of, so that its devices' ends are known. */
export function wantedEnds(namespaces: readonly LinksOfNamespace[]): Map<number, number[]> {
  const veths = new Map<string, number[]>();
  for (const { netns, links } of namespaces) {
    for (const { kind, ifindex, link, linkNetnsId } of links) {
      if (kind !== 'veth' || linkNetnsId === null || link === null) continue;
      push(veths, `${ifindex} ${link}`, netns);
    }
  }
  const wanted = new Map<number, number[]>();
  for (const { netns, links } of namespaces) {
    const candidates = new Set<number>();
    for (const { kind, ifindex, link, linkNetnsId } of links) {
      if (linkNetnsId === null) continue;
      // A veth's peer names it in turn; of anything else every namespace may be the one.
      const some =
        kind === 'veth'
          ? (veths.get(`${link} ${ifindex}`) ?? [])
          : namespaces.map((each) => each.netns);
      for (const each of some) if (each !== netns) candidates.add(each);
    }
    if (candidates.size > 0) wanted.set(netns, [...candidates]);
  }
  return wanted;
}

/** The links of one namespace, with their ends. */
export function linksTo(
  netns: number,
  links: readonly DecodedLink[],
  ends: LinkEnds,
  wireguard: ReadonlyMap<number, WireguardDevice>,
): Link[] {
  const ids = ends.get(netns);
  return links.map(({ link, linkNetnsId, ...rest }) => {
    const where = linkNetnsId === null ? netns : (ids?.get(linkNetnsId) ?? null);
    const peers = wireguard.get(rest.ifindex);
    const tunnel =
      rest.tunnel === null || peers === undefined ? rest.tunnel : { ...rest.tunnel, ...peers };
    return {
      ...rest,
      tunnel,
      other: otherOf(rest.kind, link, where),
      underlay: tunnel === null ? null : where,
    };
  });
}

function otherOf(kind: string | null, link: number | null, where: number | null): DeviceId | null {
  const hasOther = kind === 'veth' || (kind !== null && STACKED.has(kind));
  if (!hasOther || link === null || link === 0 || where === null) return null;
  return { netns: where, ifindex: link };
}
