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

const FAMILIES = new Map<unknown, readonly BaseChain['family'][]>([
  ['ip', ['ipv4']],
  ['ip6', ['ipv6']],
  ['inet', ['ipv4', 'ipv6']],
]);

/**
 * What of the answer to `nft -j list chains` is registered at a hook of IP: chains without a hook
 * are only jumped to, and bridges and devices have hooks of their own
 * (libnftables-json(5)). Nothing where the text is not such an answer.
 */
export function chainsFromNftables(listing: string): BaseChain[] {
  const objects = parsed(listing)?.['nftables'];
  if (!Array.isArray(objects)) return [];
  return objects.flatMap((object: unknown) => {
    const chain = fieldsOf(fieldsOf(object)?.['chain']);
    const hook = HOOK_NAMES.find((name) => name === chain?.['hook']);
    const { prio, table } = chain ?? {};
    if (hook === undefined || !isInteger(prio) || typeof table !== 'string') return [];
    const families = FAMILIES.get(chain?.['family']) ?? [];
    return families.map((family) => ({ family, hook, priority: prio, table }));
  });
}

/** The same of the legacy back end, from the names of its tables, one a line. */
export function chainsFromLegacy(names: string, family: BaseChain['family']): BaseChain[] {
  return names
    .split('\n')
    .flatMap((table) => (LEGACY.get(table) ?? []).map((place) => ({ family, table, ...place })));
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function parsed(text: string): Readonly<Record<string, unknown>> | null {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return null;
  }
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : null;
}
