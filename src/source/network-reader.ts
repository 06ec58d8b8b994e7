import { BpfError, type NetnsAnswers, netnsIds, queryNetns } from 'ebpf-ts';
import { HopscopeError } from '../model/errors.js';
import {
  decodeAddresses,
  decodeForwarding,
  decodeNeighbours,
} from '../network/decode-addresses.js';
import { type DecodedLink, decodeLinks } from '../network/decode-links.js';
import { decodeRoutes } from '../network/decode-routes.js';
import { decodeRules } from '../network/decode-rules.js';
import type {
  NamespaceDescription,
  NetworkDescription,
  ReadingProblem,
} from '../network/description.js';
import { type LinkEnds, linksTo, wantedEnds } from '../network/link-ends.js';
import {
  type FirewallTable,
  LEGACY_FILES,
  readFirewall,
  TABLES_REQUEST,
  tablesOf,
} from './firewall-reader.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { readWireguard } from './wireguard-reader.js';

/** Namespaces asked at a time: as many as libuv's pool has threads. */
const READERS = 4;
/** Bytes of answers taken from one namespace: some 400,000 routes. */
const NAMESPACE_BYTES = 64 << 20;
/** Times that a namespace is asked when it changes meanwhile. */
const ATTEMPTS = 3;
/** Numbers of other namespaces asked for in all; a node of 500 pods asks 1,000 times. */
export const ID_LIMIT = 20_000;
/** Of one call. */
const ID_PART = 1_024;

const NETLINK_ROUTE = 0;
const NLM_F_DUMP = 0x300;
const RTM = { getlink: 18, getaddr: 22, getroute: 26, getneigh: 30, getrule: 34 } as const;
const AF = { unspec: 0, inet: 2, bridge: 7, inet6: 10 } as const;
const RTM_F_CLONED = 0x200;
/** Lengths of the header that each request has: ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr. */
const HEADER: Readonly<Record<number, number>> = { 18: 16, 22: 8, 26: 12, 30: 12, 34: 12 };

function dump(what: string, type: number, family: number, flags = 0) {
  const body = new Uint8Array(HEADER[type] ?? 0);
  body[0] = family;
  // rtm_flags: with RTM_F_CLONED what was learned, without it what is configured.
  if (flags !== 0) new DataView(body.buffer).setUint32(8, flags, true);
  return { what, request: { protocol: NETLINK_ROUTE, type, flags: NLM_F_DUMP, body } };
}

const DUMPS = [
  dump('devices', RTM.getlink, AF.unspec),
  dump('addresses', RTM.getaddr, AF.unspec),
  dump('IPv4 routes', RTM.getroute, AF.inet),
  dump('IPv6 routes', RTM.getroute, AF.inet6),
  dump('learned IPv4 routes', RTM.getroute, AF.inet, RTM_F_CLONED),
  dump('learned IPv6 routes', RTM.getroute, AF.inet6, RTM_F_CLONED),
  dump('IPv4 rules', RTM.getrule, AF.inet),
  dump('IPv6 rules', RTM.getrule, AF.inet6),
  dump('neighbours', RTM.getneigh, AF.unspec),
  dump('forwarding entries', RTM.getneigh, AF.bridge),
  { what: 'tables of nftables', request: TABLES_REQUEST },
] as const;
const FILES = [
  ...['/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding'],
  ...LEGACY_FILES,
] as const;
/** A kernel without IPv6, or without rules. */
const ABSENT = new Set(['EOPNOTSUPP', 'EAFNOSUPPORT']);

interface ReadNamespace {
  readonly found: FoundNamespace;
  readonly links: readonly DecodedLink[];
  readonly rest: Omit<NamespaceDescription, 'links' | 'firewall'>;
  readonly tables: readonly FirewallTable[];
}

/**
 * Describes namespaces as they are configured, and changes nothing. One that goes meanwhile is
 * left out; what cannot be read is among the problems.
 *
 * @param own number of the namespace this process is in
 */
export async function readNetwork(
  namespaces: Iterable<FoundNamespace>,
  own: number,
): Promise<NetworkDescription> {
  const problems: ReadingProblem[] = [];
  const read: ReadNamespace[] = [];
  await inTurn([...namespaces], async (found) => {
    const one = await readNamespace(found, own, problems);
    if (one !== null) read.push(one);
  });
  read.sort((a, b) => a.rest.netns - b.rest.netns);
  const ends = await findEnds(read, problems);
  const described: NamespaceDescription[] = [];
  await inTurn(read, async ({ found, links, rest, tables }) => {
    const peers = await readWireguard(found, rest.name, links, problems);
    const firewall = await readFirewall(found, rest.name, tables, problems);
    described.push({ ...rest, links: linksTo(rest.netns, links, ends, peers), firewall });
  });
  return { namespaces: described.sort((a, b) => a.netns - b.netns), problems };
}

async function readNamespace(
  found: FoundNamespace,
  own: number,
  problems: ReadingProblem[],
): Promise<ReadNamespace | null> {
  const isOwn = found.netns === own;
  const name = found.name ?? (isOwn ? 'host' : `net:[${found.inode}]`);
  const problem = (code: string, message: string): void => {
    problems.push({ code, netns: name, message });
  };
  let said: NetnsAnswers;
  try {
    said = await ask(found.path);
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    // It went, which is no problem.
    if (error.code !== 'ENOENT') problem('NAMESPACE_NOT_READ', error.message);
    return null;
  }
  const parts = said.answers.map(({ code, data, interrupted }, i) => {
    const what = DUMPS[i]?.what ?? '';
    if (code === 'EMSGSIZE') problem('ANSWER_TOO_LONG', `${what}: not all were read`);
    else if (code !== null && !ABSENT.has(code)) problem('NETLINK_FAILED', `${what}: ${code}`);
    if (interrupted) problem('CHANGED_MEANWHILE', `${what} changed while they were read`);
    return data;
  });
  const decode = <T>(index: number, decoder: (data: Uint8Array) => T, none: T): T => {
    try {
      return decoder(parts[index] ?? new Uint8Array());
    } catch (error) {
      if (!(error instanceof HopscopeError)) throw error;
      problem(error.code, `${DUMPS[index]?.what}: ${error.message}`);
      return none;
    }
  };
  const noRoutes = { routes: [], cached: [] };
  const routes4 = decode(2, (data) => decodeRoutes(data, 4), noRoutes);
  const routes6 = decode(3, (data) => decodeRoutes(data, 6), noRoutes);
  const cached4 = decode(4, (data) => decodeRoutes(data, 4), noRoutes);
  const cached6 = decode(5, (data) => decodeRoutes(data, 6), noRoutes);
  const [forward4, forward6] = said.files.map(({ data }) => data[0] === 0x31);
  const legacy = said.files.slice(2).map(({ data }) => Buffer.from(data).toString());
  return {
    found,
    links: decode(0, decodeLinks, []),
    tables: decode(10, (data) => tablesOf(data, legacy), []),
    rest: {
      ...{ netns: found.netns, name, path: found.path, given: found.name, isOwn },
      forwards: { 4: forward4 ?? false, 6: forward6 ?? false },
      addresses: decode(1, decodeAddresses, []),
      routes: [...routes4.routes, ...routes6.routes],
      cached: [...cached4.cached, ...cached6.cached],
      rules: [...decode(6, decodeRules, []), ...decode(7, decodeRules, [])],
      neighbours: decode(8, decodeNeighbours, []),
      forwarding: decode(9, decodeForwarding, []),
    },
  };
}

/** Asks again where something changed meanwhile: what was read then may be half of each. */
async function ask(path: string): Promise<NetnsAnswers> {
  const requests = DUMPS.map(({ request }) => request);
  for (let attempt = 1; ; attempt++) {
    const said = await queryNetns(path, requests, FILES, NAMESPACE_BYTES);
    if (attempt === ATTEMPTS || !said.answers.some(({ interrupted }) => interrupted)) return said;
  }
}

/** Which namespace each number of a device's other end stands for. */
async function findEnds(
  read: readonly ReadNamespace[],
  problems: ReadingProblem[],
): Promise<LinkEnds> {
  const paths = new Map(read.map(({ rest }) => [rest.netns, rest.path]));
  const names = new Map(read.map(({ rest }) => [rest.netns, rest.name]));
  const wanted = wantedEnds(read.map(({ rest, links }) => ({ netns: rest.netns, links })));
  const ends: Map<number, Map<number, number>> = new Map();
  let room = ID_LIMIT;
  await inTurn([...wanted], async ([netns, candidates]) => {
    const byId = new Map<number, number>();
    ends.set(netns, byId);
    const taken = candidates.slice(0, Math.max(0, room));
    room -= taken.length;
    if (taken.length < candidates.length) {
      problems.push({
        ...{ code: 'TOO_MANY_ENDS', netns: names.get(netns) ?? '' },
        message: `the other ends of some devices were not looked for (limit ${ID_LIMIT})`,
      });
    }
    for (let from = 0; from < taken.length; from += ID_PART) {
      const some = taken.slice(from, from + ID_PART);
      const asked = some.map((other) => paths.get(other) ?? '/nowhere');
      try {
        const ids = await netnsIds(paths.get(netns) ?? '/nowhere', asked);
        for (const [i, id] of ids.entries()) if (id !== null) byId.set(id, some[i] ?? 0);
      } catch (error) {
        // It went meanwhile: its devices have no other end any more.
        if (!(error instanceof BpfError)) throw error;
      }
    }
  });
  return ends;
}

/** So many at a time; the workers share one iterator. */
async function inTurn<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: READERS }, worker));
}
