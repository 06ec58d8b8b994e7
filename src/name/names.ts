import type { EndpointRecord } from 'hopscope-protocol';
import type { Tuple } from '../join/tuple.js';
import type {
  Catalog,
  CatalogChain,
  CatalogEndpoint,
  CatalogNamespace,
  CatalogPod,
  CatalogService,
} from './catalog.js';
import { ClusterNames, servicePlace } from './cluster-names.js';
import { heldAt } from './lifetime.js';

/** Namespaces that are gone, whose names are kept for flows that were seen in them. */
export const GONE_NAMESPACES_LIMIT = 4_096;

/** Look-ups in a catalog. Unknown things get their neutral form, never a guess. */
export class Names {
  /** Names of a whole cluster; a catalog has others. */
  readonly cluster = new ClusterNames();
  #catalog: Catalog;
  #remembered: Catalog;
  /** Those of the catalog and those that are gone, the oldest first. */
  readonly #namespaces = new Map<number, CatalogNamespace>();
  #endpoints = new Map<string, CatalogEndpoint[]>();
  /** By protocol, address and port; of a NodePort, which has no address, `*`. */
  #services = new Map<string, CatalogService[]>();
  #chains = new Map<number, CatalogChain[]>();
  #reasons = new Map<number, string>();
  #clockOffset = 0n;
  readonly #symbol: (address: bigint) => string | null;

  /** @param symbol names the function that holds an address of the kernel's text */
  constructor(catalog: Catalog, symbol: (address: bigint) => string | null = () => null) {
    this.#catalog = catalog;
    this.#remembered = catalog;
    this.#symbol = symbol;
    this.update(catalog);
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** The catalog with the namespaces that are gone. */
  get remembered(): Catalog {
    return this.#remembered;
  }

  update(catalog: Catalog): void {
    this.#catalog = catalog;
    this.#remember(catalog);
    this.#endpoints = grouped(catalog.endpoints, ({ ip }) => ip);
    this.#services = grouped(catalog.services, ({ proto, ip, port }) =>
      servicePlace(proto, ip, port),
    );
    this.#chains = grouped(catalog.chains, ({ netns }) => netns);
    this.#reasons = new Map(catalog.dropReasons);
    this.#clockOffset = BigInt(catalog.clockOffsetNs);
  }

  /** @param inode 0 for one that is not known: it went before anything was said of it */
  netns(netns: number, inode: number): string {
    return this.#namespaces.get(netns)?.name ?? `net:[${inode === 0 ? '?' : inode}]`;
  }

  node(netns: number): string | null {
    return this.#namespaces.get(netns)?.node ?? null;
  }

  role(netns: number): CatalogNamespace['role'] {
    return this.#namespaces.get(netns)?.role ?? null;
  }

  /**
   * Who had an address.
   *
   * @param netns where it was seen, when that is known
   * @param at when it was seen, monotonic milliseconds; null for now
   */
  endpoint(ip: string, netns: number | null, at: number | null = null): EndpointRecord {
    const entries = this.#entries(ip);
    // A namespace's number is never used again, so it says more than a time does.
    const own = netns === null ? undefined : entries.find((each) => each.netns === netns);
    // Somebody else may know more of the same pod.
    const same = own && entries.find((e) => e.name === own.name && e.namespace === own.namespace);
    const known = heldAt(entries.filter(isWritten), at) ?? same ?? heldAt(entries, at);
    if (known !== null) {
      const { name, kind, node, stale } = known;
      return { name, kind, node, ...podOf(known), ...(stale === undefined ? {} : { stale }) };
    }
    const namespace = netns === null ? undefined : this.#namespaces.get(netns);
    if (namespace !== undefined && namespace.role !== null && namespace.role !== 'wire') {
      const kind = namespace.role === 'client' ? 'external' : namespace.role;
      const { name, node, pod = {} } = namespace;
      return { name, kind, node, ...podOf(pod) };
    }
    return { name: null, kind: null, node: null };
  }

  /**
   * The service a connection was opened to, by ClusterIP, or by NodePort on a node's address.
   *
   * @param at when it was opened, monotonic milliseconds; null for now
   */
  service(
    original: Pick<Tuple, 'protocolName' | 'dst' | 'dport'>,
    translated: boolean,
    at: number | null = null,
  ): string | null {
    const { protocolName: proto, dst, dport } = original;
    const held = (ip: string | null): string | null => {
      const place = servicePlace(proto, ip, dport);
      const local = this.#services.get(place) ?? [];
      const known = [...this.cluster.services(place), ...local];
      return (heldAt(local.filter(isWritten), at) ?? heldAt(known, at))?.name ?? null;
    };
    const byIp = held(dst);
    if (byIp !== null) return byIp;
    const byPort = held(null);
    if (byPort === null || translated) return byPort;
    return heldAt(this.#entries(dst), at)?.kind === 'node' ? byPort : null;
  }

  /** The tables on the hooks of a namespace, or null when they could not be read. */
  registered(netns: number, family: CatalogChain['family']): readonly CatalogChain[] | null {
    return this.#chains.get(netns)?.filter((chain) => chain.family === family) ?? null;
  }

  reason(reason: number): string {
    return this.#reasons.get(reason) ?? `REASON_${reason}`;
  }

  /** Function that holds an address of the kernel's text, or null. */
  symbol(address: bigint): string | null {
    return this.#symbol(address);
  }

  /** Wall-clock nanoseconds since 1970 of a monotonic time. */
  wallClock(monotonicNs: bigint): bigint {
    return monotonicNs + this.#clockOffset;
  }

  /** What is known of a cluster before what others say. */
  #entries(ip: string): readonly CatalogEndpoint[] {
    const ofCluster = this.cluster.endpoints(ip);
    const local = this.#endpoints.get(ip) ?? [];
    if (ofCluster.length === 0) return local;
    const { isStale } = this.cluster;
    return [
      ...(isStale ? ofCluster.map((each) => ({ ...each, stale: true as const })) : ofCluster),
      ...local,
    ];
  }

  #remember(catalog: Catalog): void {
    const all = this.#namespaces;
    for (const namespace of catalog.namespaces) {
      all.delete(namespace.netns);
      all.set(namespace.netns, namespace);
    }
    // Those that are gone come before all that were just put at the end.
    for (const netns of all.keys()) {
      if (all.size <= catalog.namespaces.length + GONE_NAMESPACES_LIMIT) break;
      all.delete(netns);
    }
    const isAllThere = all.size === catalog.namespaces.length;
    this.#remembered = isAllThere ? catalog : { ...catalog, namespaces: [...all.values()] };
  }
}

function podOf({ namespace, workload, labels }: CatalogPod): CatalogPod {
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(workload === undefined ? {} : { workload }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function isWritten({ written }: { readonly written?: true }): boolean {
  return written === true;
}

function grouped<K, T>(entries: readonly T[], keyOf: (entry: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  return groups;
}
