import { BpfError, type NetnsAnswers } from 'ebpf-ts';
import { HopscopeError } from '../model/errors.js';
import {
  decodeAddresses,
  decodeForwarding,
  decodeNeighbours,
} from '../network/decode-addresses.js';
import { type DecodedLink, decodeLinks } from '../network/decode-links.js';
import { decodeRoutes, RTM_F_CLONED } from '../network/decode-routes.js';
import { decodeRules } from '../network/decode-rules.js';
import type {
  NamespaceDescription,
  NetworkDescription,
  ReadingProblem,
} from '../network/description.js';
import { linksTo } from '../network/link-ends.js';
import {
  type FirewallTable,
  LEGACY_FILES,
  readFirewall,
  TABLES_REQUEST,
  tablesOf,
} from './firewall-reader.js';
import { inTurn } from './in-turn.js';
import { AF, askNamespace, dump, findEnds, RTM } from './namespace-query.js';
import type { FoundNamespace } from './namespace-watcher.js';
import { readWireguard } from './wireguard-reader.js';

/** Bytes of answers taken from one namespace: some 400,000 routes. */
const NAMESPACE_BYTES = 64 << 20;
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
const REQUESTS = DUMPS.map(({ request }) => request);
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
  const ends = await findEnds(
    read.map(({ rest, links }) => ({ netns: rest.netns, path: rest.path, links })),
    ({ netns, message }) => {
      const name = read.find(({ rest }) => rest.netns === netns)?.rest.name ?? '';
      problems.push({ code: 'TOO_MANY_ENDS', netns: name, message });
    },
  );
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
    said = await askNamespace(found.path, REQUESTS, FILES, NAMESPACE_BYTES);
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
