import { type Catalog, type CatalogNamespace, endpointKey, serviceKey } from '../name/catalog.js';
import type { FoundNamespace } from '../source/namespace-watcher.js';
import {
  type NameFacts,
  type NamespaceFact,
  PROVIDERS,
  type ProviderName,
} from './name-provider.js';

/** What each provider said last. */
export type FactsByProvider = ReadonlyMap<ProviderName, NameFacts>;

export interface Machine {
  readonly host: string;
  /** Number of the namespace this process is in. */
  readonly own: number;
}

/** Names under /run/netns that a container runtime made up for a pod (containerd and CRI-O, by CNI; Podman). */
const MACHINE_MADE = /^(?:cni-|netns-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;
/** What these say is a person's or a cluster's word; the rest only helps where nobody knows. */
const KNOWING: ReadonlySet<ProviderName> = new Set([
  ...(['file', 'kubernetes', 'cri', 'docker', 'lab'] as const),
]);

/** Names of the namespaces that there are. */
export function mergeNamespaces(
  found: readonly FoundNamespace[],
  facts: FactsByProvider,
  { host, own }: Machine,
): CatalogNamespace[] {
  const byNumber = new Map<number, Map<ProviderName, NamespaceFact>>();
  for (const [provider, { namespaces }] of inOrder(facts)) {
    for (const fact of namespaces) {
      const known = byNumber.get(fact.netns) ?? new Map<ProviderName, NamespaceFact>();
      byNumber.set(fact.netns, known.set(provider, fact));
    }
  }
  return found.map(({ netns, inode, name: given }): CatalogNamespace => {
    const known = byNumber.get(netns) ?? new Map<ProviderName, NamespaceFact>();
    const isOwn = netns === own;
    const said = [...known].map(([provider, { name }]) => ({ provider, name: name ?? null }));
    const first = (of: (provider: ProviderName) => boolean): string | null =>
      said.find(({ provider, name }) => name !== null && of(provider))?.name ?? null;
    const name =
      known.get('file')?.name ??
      (given !== null && !MACHINE_MADE.test(given) ? given : null) ??
      first((provider) => KNOWING.has(provider)) ??
      (isOwn ? 'host' : null) ??
      first(() => true) ??
      given ??
      `net:[${inode}]`;
    const each = [...known.values()];
    const pod = each.find((fact) => fact.pod !== undefined)?.pod;
    return {
      ...{ netns, inode, name },
      node: each.find(({ node }) => node != null)?.node ?? host,
      role: each.find(({ role }) => role != null)?.role ?? (isOwn ? 'node' : null),
      ...(pod === undefined ? {} : { pod }),
    };
  });
}

/**
 * All that is said of addresses and services, the first provider's word first.
 *
 * @param stale whose word may have been overtaken
 */
export function mergeNames(
  facts: FactsByProvider,
  stale: ReadonlySet<ProviderName> = new Set(),
): Pick<Catalog, 'endpoints' | 'services'> {
  const inTurn = [...inOrder(facts)];
  const said = inTurn.map(([, each]) => each);
  return {
    endpoints: unique(
      inTurn.flatMap(([provider, { endpoints }]) =>
        stale.has(provider)
          ? endpoints.map((each) => ({ ...each, stale: true as const }))
          : endpoints,
      ),
      endpointKey,
    ),
    services: unique(
      said.flatMap(({ services }) => services),
      serviceKey,
    ),
  };
}

/** Nodes of one machine have the same rules, and several may know the same pod: the first counts. */
function unique<T>(entries: readonly T[], keyOf: (entry: T) => string): T[] {
  const known = new Map<string, T>();
  for (const each of entries) {
    const key = keyOf(each);
    if (!known.has(key)) known.set(key, each);
  }
  return [...known.values()];
}

function* inOrder(facts: FactsByProvider): Generator<readonly [ProviderName, NameFacts]> {
  for (const provider of PROVIDERS) {
    const said = facts.get(provider);
    if (said !== undefined) yield [provider, said];
  }
}
