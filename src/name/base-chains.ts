import {
  attributesOf,
  be32,
  messagesOf,
  NFGENMSG,
  nested,
  requireBytes,
  text,
} from '../network/netlink-message.js';
import type { CatalogChain } from './catalog.js';
import { HOOK_NAMES } from './netfilter-table.js';

type Place = Pick<CatalogChain, 'hook' | 'priority'>;

/** A base chain of a namespace that is known by other means. */
export type BaseChain = Omit<CatalogChain, 'netns'>;

/** A base chain at `priority` in each of some hooks. */
function at(priority: number, ...hooks: readonly BaseChain['hook'][]): readonly Place[] {
  return hooks.map((hook) => ({ hook, priority }));
}

/** Where the legacy back end registers its tables: net/ipv4/netfilter/iptable_*.c. */
const LEGACY = new Map<string, readonly Place[]>([
  ['raw', at(-300, 'prerouting', 'output')],
  ['mangle', at(-150, ...HOOK_NAMES)],
  ['nat', [...at(-100, 'prerouting', 'output'), ...at(100, 'input', 'postrouting')]],
  ['filter', at(0, 'input', 'forward', 'output')],
  ['security', at(50, 'input', 'forward', 'output')],
]);

/** NFPROTO_* of include/uapi/linux/netfilter.h: chains of others see no IP, or not at these hooks. */
const FAMILIES = new Map<number, readonly BaseChain['family'][]>([
  [1, ['ipv4', 'ipv6']],
  [2, ['ipv4']],
  [10, ['ipv6']],
]);
/** Of the same, as nft(8) writes them. */
const FAMILY_NAMES = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [10, 'ip6'],
]);

/** NFTA_CHAIN_*, NFTA_HOOK_* (include/uapi/linux/netfilter/nf_tables.h). */
const CHAIN = { table: 1, name: 3, hook: 4 } as const;
const HOOK = { number: 1, priority: 2 } as const;

/** What a namespace says of its chains. */
export interface DumpedChains {
  /** Registered at a hook of IP. Those without a hook are only jumped to. */
  readonly base: readonly BaseChain[];
  /** `family table chain`, such as `ip nat KUBE-SERVICES`, of every one. */
  readonly names: ReadonlySet<string>;
  /** Another number after each change of rules, 16 bits; null without a chain. */
  readonly generation: number | null;
}

/**
 * The kernel's answer to NFT_MSG_GETCHAIN.
 *
 * @throws NetlinkError `NETLINK_MALFORMED`
 */
export function decodeChains(data: Uint8Array): DumpedChains {
  const base: BaseChain[] = [];
  const names = new Set<string>();
  let generation: number | null = null;
  for (const { body } of messagesOf(data)) {
    requireBytes(body, NFGENMSG);
    generation = body.getUint16(2);
    const family = body.getUint8(0);
    const attributes = attributesOf(body, NFGENMSG);
    const table = text(attributes, CHAIN.table);
    const familyName = FAMILY_NAMES.get(family);
    if (table === null || familyName === undefined) continue;
    names.add(`${familyName} ${table} ${text(attributes, CHAIN.name) ?? ''}`);
    const registered = nested(attributes, CHAIN.hook);
    const hook = HOOK_NAMES[be32(registered, HOOK.number) ?? -1];
    const priority = be32(registered, HOOK.priority);
    if (hook === undefined || priority === null) continue;
    for (const each of FAMILIES.get(family) ?? []) {
      base.push({ family: each, hook, priority: priority | 0, table });
    }
  }
  return { base, names, generation };
}

/** The same of the legacy back end, from the names of its tables, one a line. */
export function chainsFromLegacy(names: string, family: BaseChain['family']): BaseChain[] {
  return names
    .split('\n')
    .flatMap((table) => (LEGACY.get(table) ?? []).map((place) => ({ family, table, ...place })));
}
