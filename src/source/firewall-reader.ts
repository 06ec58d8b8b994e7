import type { ReadingProblem } from '../network/description.js';
import type { FirewallChain } from '../network/firewall.js';
import type { Family } from '../network/ip-address.js';
import {
  attributesOf,
  messagesOf,
  NFGENMSG,
  requireBytes,
  text,
} from '../network/netlink-message.js';
import { type ParsedChains, parseIptables } from '../network/parse-iptables.js';
import { parseNftables } from '../network/parse-nftables.js';
import { runInside } from './inside-namespace.js';
import { NLM_F_DUMP } from './namespace-query.js';
import type { FoundNamespace } from './namespace-watcher.js';

/** NFT_MSG_GETTABLE of the subsystem of nftables (include/uapi/linux/netfilter/nf_tables.h). */
export const TABLES_REQUEST = {
  ...{ protocol: 12, type: (10 << 8) | 1, flags: NLM_F_DUMP },
  body: new Uint8Array(4),
} as const;
/** Names of the tables of iptables' old back end, IPv4 first: asking for others would make them. */
export const LEGACY_FILES = [
  '/proc/thread-self/net/ip_tables_names',
  '/proc/thread-self/net/ip6_tables_names',
] as const;
/** NFTA_TABLE_NAME. */
const TABLE_NAME = 1;
const FAMILIES: Readonly<Record<number, string>> = { 1: 'inet', 2: 'ip', 10: 'ip6' };
/** Tables of iptables that can drop a packet or change an MSS. */
const IPTABLES = new Set(['raw', 'mangle', 'filter', 'security']);
const NAT = 'nat';
/** Tables of one namespace that are read. */
export const TABLES_LIMIT = 64;

/** A table that may say something of ICMP errors or of the MSS. */
export interface FirewallTable {
  readonly backEnd: 'nft' | 'iptables-nft' | 'iptables-legacy';
  /** `ip`, `ip6` or `inet`. */
  readonly family: string;
  readonly name: string;
}

/**
 * The tables of a namespace that are worth a look.
 *
 * @param legacy contents of `LEGACY_FILES`
 * @param withNat whether nat tables are, which neither drop nor change an MSS
 * @throws NetlinkError `NETLINK_MALFORMED`
 */
export function tablesOf(
  data: Uint8Array,
  legacy: readonly string[],
  withNat = false,
): FirewallTable[] {
  const known = (name: string): boolean => IPTABLES.has(name) || (withNat && name === NAT);
  const tables: FirewallTable[] = [];
  for (const { body } of messagesOf(data)) {
    requireBytes(body, NFGENMSG);
    const family = FAMILIES[body.getUint8(0)];
    const name = text(attributesOf(body, NFGENMSG), TABLE_NAME);
    if (family === undefined || name === null || (name === NAT && !withNat)) continue;
    const isIptables = family !== 'inet' && known(name);
    tables.push({ backEnd: isIptables ? 'iptables-nft' : 'nft', family, name });
  }
  for (const [i, names] of legacy.entries()) {
    for (const name of names.split('\n')) {
      if (!known(name)) continue;
      tables.push({ backEnd: 'iptables-legacy', family: i === 0 ? 'ip' : 'ip6', name });
    }
  }
  return tables;
}

/** Reads the rules of tables; one whose tool is missing or fails is among the problems. */
export async function readFirewall(
  { path }: FoundNamespace,
  namespace: string,
  tables: readonly FirewallTable[],
  problems: ReadingProblem[],
): Promise<FirewallChain[]> {
  const chains: FirewallChain[] = [];
  if (tables.length > TABLES_LIMIT) {
    const message = `of ${tables.length} tables of rules ${TABLES_LIMIT} were read`;
    problems.push({ code: 'FIREWALL_NOT_READ', netns: namespace, message });
  }
  for (const table of tables.slice(0, TABLES_LIMIT)) {
    try {
      const read = await readTable(path, table);
      chains.push(...read.chains);
      if (read.leftOut > 0) {
        const message = `${read.leftOut} rules of ${table.family} ${table.name} past the limit`;
        problems.push({ code: 'FIREWALL_NOT_READ', netns: namespace, message });
      }
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
      const message = `the table ${table.family} ${table.name} was not read: ${why}`;
      problems.push({ code: 'FIREWALL_NOT_READ', netns: namespace, message });
    }
  }
  return chains;
}

async function readTable(path: string, table: FirewallTable): Promise<ParsedChains> {
  const { backEnd, family, name } = table;
  if (backEnd === 'nft') return readNft(path, table);
  const version: Family = family === 'ip6' ? 6 : 4;
  const tool = `${family}tables-${backEnd === 'iptables-nft' ? 'nft' : 'legacy'}`;
  const saved = await runInside(path, `${tool}-save`, '-t', name);
  // A table that nft made, in a form that iptables does not have.
  if (!saved.includes(`*${name}`)) return readNft(path, table);
  return parseIptables(saved, version, tool);
}

async function readNft(path: string, { family, name }: FirewallTable): Promise<ParsedChains> {
  return parseNftables(await runInside(path, 'nft', '-j', 'list', 'table', family, name));
}
