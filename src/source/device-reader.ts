import type { KnownDevice, KnownNamespace } from './counted-devices.js';
import { runInside } from './inside-namespace.js';
import type { FoundNamespace } from './namespace-watcher.js';

/** Namespaces read at a time; each takes two short processes. */
const READERS = 8;
/** The first line of a file, by the shell itself: a process less. */
const firstLine = (file: string): string => `f=; { read -r f < ${file}; } 2>/dev/null; echo "$f"`;
/** What `read` prints between its parts; nothing else begins a line so. */
const MARK = '--';
const COMMANDS = [
  'ip -j -d link show',
  'ip -j netns list-id',
  firstLine('/proc/sys/net/ipv4/ip_forward'),
  // Without IPv6 these two are not there.
  firstLine('/proc/sys/net/ipv6/conf/all/forwarding'),
  'cat /proc/net/route',
  'cat /proc/net/ipv6_route 2>/dev/null',
];
const SCRIPT = COMMANDS.join(`; echo; echo ${MARK}; `);
const RTF_UP = 1;
const RTF_REJECT = 0x200;

interface IpLink {
  readonly ifindex: number;
  readonly link_index?: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly link_netnsid?: number;
  readonly master?: string;
  readonly linkinfo?: { readonly info_kind?: string };
}

interface IpNetnsId {
  readonly nsid: number;
  readonly name?: string;
}

/**
 * Reads the devices of namespaces. One that goes meanwhile is left out. The other end of a
 * veth is known where its namespace has a name under /run/netns.
 *
 * @param isStopped asked before each namespace: the rest is left out. Five hundred take 30 s.
 */
export async function readDevices(
  found: Iterable<FoundNamespace>,
  own: number,
  isStopped: () => boolean = () => false,
): Promise<KnownNamespace[]> {
  const namespaces = [...found];
  const numbers = new Map(namespaces.map(({ name, netns }) => [name, netns]));
  const known: KnownNamespace[] = [];
  const waiting = namespaces[Symbol.iterator]();
  const reader = async (): Promise<void> => {
    // The readers share one iterator: each takes the next that nobody has.
    for (const namespace of waiting) {
      if (isStopped()) return;
      const text = await runInside(namespace.path, 'sh', '-c', SCRIPT).catch(() => null);
      if (text !== null) {
        known.push(parseNamespace(namespace, own, numbers, text));
      }
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return known.sort((a, b) => a.netns - b.netns);
}

function parseNamespace(
  { netns, path }: FoundNamespace,
  own: number,
  numbers: ReadonlyMap<string | null, number>,
  text: string,
): KnownNamespace {
  const [links = '', ids = '', forward4 = '', forward6 = '', routes4 = '', routes6 = ''] = text
    .split(`\n${MARK}\n`)
    .map((part) => part.trim());
  const names = new Map(
    parseList<IpNetnsId>(ids).map(({ nsid, name }) => [nsid, name ?? null] as const),
  );
  const defaults = new Set([...defaultDevices4(routes4), ...defaultDevices6(routes6)]);
  const all = parseList<IpLink>(links);
  const kinds = new Map(all.map((link) => [link.ifname, link.linkinfo?.info_kind]));
  return {
    netns,
    path,
    forwards: forward4 === '1' || forward6 === '1',
    isOwn: netns === own,
    devices: all.map((link) => {
      const { ifindex, link_netnsid: id } = link;
      const other = id === undefined ? undefined : numbers.get(names.get(id) ?? null);
      return {
        ifindex,
        kind: link.linkinfo?.info_kind ?? null,
        isLoopback: link.flags.includes('LOOPBACK'),
        hasDefaultRoute: defaults.has(link.ifname),
        // A VRF is a routing table, and nothing passes it.
        isEnslaved: link.master !== undefined && kinds.get(link.master) !== 'vrf',
        peer: peerOf(link, other),
        isPeerElsewhere: id !== undefined,
      };
    }),
  };
}

function peerOf(link: IpLink, netns: number | undefined): KnownDevice['peer'] {
  const isVeth = link.linkinfo?.info_kind === 'veth';
  return isVeth && netns !== undefined && link.link_index !== undefined
    ? { netns, ifindex: link.link_index }
    : null;
}

/** Names of the devices of default routes in /proc/net/route (net/ipv4/fib_trie.c). */
function defaultDevices4(text: string): string[] {
  // Iface Destination Gateway Flags RefCnt Use Metric Mask …; numbers in hexadecimal.
  return rows(text)
    .filter(([, destination, , flags, , , , mask]) => {
      const bits = Number.parseInt(flags ?? '0', 16);
      return destination === '00000000' && mask === '00000000' && isUsable(bits);
    })
    .map(([device = '']) => device);
}

/** The same in /proc/net/ipv6_route (net/ipv6/route.c). */
function defaultDevices6(text: string): string[] {
  // Destination, length, source, length, gateway, metric, references, use, flags, device.
  return rows(text)
    .filter(([, length, , , , , , , flags]) => {
      return length === '00' && isUsable(Number.parseInt(flags ?? '0', 16));
    })
    .map((row) => row[9] ?? '');
}

function isUsable(flags: number): boolean {
  return (flags & RTF_UP) !== 0 && (flags & RTF_REJECT) === 0;
}

function rows(text: string): string[][] {
  return text.split('\n').map((line) => line.trim().split(/\s+/u));
}

/** What `ip -j` prints: a list, or nothing at all. */
function parseList<T>(text: string): readonly T[] {
  return text === '' ? [] : (JSON.parse(text) as readonly T[]);
}
