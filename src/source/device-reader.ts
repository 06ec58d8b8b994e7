import { BpfError } from 'ebpf-ts';
import { type DecodedLink, decodeLinks } from '../network/decode-links.js';
import { decodeRoutes } from '../network/decode-routes.js';
import type { Route } from '../network/description.js';
import { NetlinkError } from '../network/netlink-message.js';
import { isDefault, MAIN_TABLE } from '../network/route.js';
import type { KnownDevice, KnownNamespace } from './counted-devices.js';
import { inTurn } from './in-turn.js';
import { AF, askNamespace, dump, findEnds, RTM } from './namespace-query.js';
import type { FoundNamespace } from './namespace-watcher.js';

const REQUESTS = [
  dump('devices', RTM.getlink, AF.unspec),
  dump('IPv4 routes', RTM.getroute, AF.inet),
  dump('IPv6 routes', RTM.getroute, AF.inet6),
].map(({ request }) => request);
const FILES = ['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'];
/**
 * Bytes of answers taken from one namespace: some 50,000 routes, of which those without a prefix
 * come first (net/ipv4/fib_trie.c).
 */
const NAMESPACE_BYTES = 8 << 20;
const ONE = 0x31;

interface ReadNamespace {
  readonly netns: number;
  readonly path: string;
  readonly forwards: boolean;
  readonly links: readonly DecodedLink[];
  /** Indices of devices that a default route goes out by. */
  readonly defaults: ReadonlySet<number>;
}

/**
 * Reads the devices of namespaces. One that goes meanwhile is left out. The other end of a veth is
 * known where its namespace is one of these.
 *
 * @param isStopped asked before each namespace: the rest is left out
 */
export async function readDevices(
  found: Iterable<FoundNamespace>,
  own: number,
  isStopped: () => boolean = () => false,
): Promise<KnownNamespace[]> {
  const read: ReadNamespace[] = [];
  await inTurn([...found], async (namespace) => {
    const one = isStopped() ? null : await readNamespace(namespace);
    if (one !== null) read.push(one);
  });
  // Only of veths the other end is asked for; of what is past the limit it stays unknown.
  const pairs = read.map(({ netns, path, links }) => ({
    ...{ netns, path, links: links.filter(({ kind }) => kind === 'veth') },
  }));
  const ends = await findEnds(isStopped() ? [] : pairs, () => undefined);
  return read
    .map(({ netns, path, forwards, links, defaults }) => ({
      ...{ netns, path, forwards, isOwn: netns === own },
      devices: knownDevices(links, defaults, ends.get(netns)),
    }))
    .sort((a, b) => a.netns - b.netns);
}

async function readNamespace({ netns, path }: FoundNamespace): Promise<ReadNamespace | null> {
  try {
    const { answers, files } = await askNamespace(path, REQUESTS, FILES, NAMESPACE_BYTES);
    const [links, routes4, routes6] = answers.map(({ data }) => data);
    const empty = new Uint8Array();
    return {
      ...{ netns, path },
      forwards: files.some(({ data }) => data[0] === ONE),
      links: decodeLinks(links ?? empty),
      defaults: new Set([
        ...defaultDevices(decodeRoutes(routes4 ?? empty, 4).routes),
        ...defaultDevices(decodeRoutes(routes6 ?? empty, 6).routes),
      ]),
    };
  } catch (error) {
    // It went, or may not be entered, which the watcher reports; or it cannot be understood.
    if (error instanceof BpfError || error instanceof NetlinkError) return null;
    throw error;
  }
}

/** Of IPv6 in any table, of IPv4 in the main one, as /proc/net has them. */
function* defaultDevices(routes: readonly Route[]): Generator<number> {
  for (const route of routes) {
    if (!isDefault(route) || (route.dst.family === 4 && route.table !== MAIN_TABLE)) continue;
    for (const { ifindex } of route.hops) if (ifindex !== null) yield ifindex;
  }
}

function knownDevices(
  links: readonly DecodedLink[],
  defaults: ReadonlySet<number>,
  ids: ReadonlyMap<number, number> | undefined,
): KnownDevice[] {
  const kinds = new Map(links.map(({ ifindex, kind }) => [ifindex, kind]));
  return links.map(({ ifindex, kind, isLoopback, master, link, linkNetnsId }) => {
    const other = linkNetnsId === null ? undefined : ids?.get(linkNetnsId);
    const isKnownPair = kind === 'veth' && other !== undefined && link !== null;
    return {
      ...{ ifindex, kind, isLoopback, hasDefaultRoute: defaults.has(ifindex) },
      // A VRF is a routing table, and nothing passes it.
      isEnslaved: master !== null && kinds.get(master) !== 'vrf',
      peer: isKnownPair ? { netns: other, ifindex: link } : null,
      isPeerElsewhere: linkNetnsId !== null,
    };
  });
}
