import type { Tuple } from '../join/tuple.js';
import type { EndpointRecord } from '../model/records.js';
import type { Catalog, CatalogChain, CatalogEndpoint, CatalogNamespace } from './catalog.js';

/** Namespaces that are gone, whose names are kept for flows that were seen in them. */
export const GONE_NAMESPACES_LIMIT = 4_096;

/** Look-ups in a catalog. Unknown things get their neutral form, never a guess. */
export class Names {
  #catalog: Catalog;
  #remembered: Catalog;
  /** Those of the catalog and those that are gone, the oldest first. */
  readonly #namespaces = new Map<number, CatalogNamespace>();
  #endpoints = new Map<string, CatalogEndpoint>();
  #services = new Map<string, string>();
  #nodePorts = new Map<string, string>();
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
    this.#endpoints = new Map(catalog.endpoints.map((e) => [e.ip, e]));
    this.#services = new Map();
    this.#nodePorts = new Map();
    for (const service of catalog.services) {
      if (service.ip === null) {
        this.#nodePorts.set(`${service.proto}:${service.port}`, service.name);
      } else {
        this.#services.set(`${service.proto}:${service.ip}:${service.port}`, service.name);
      }
    }
    this.#chains = new Map();
    for (const chain of catalog.chains) {
      const known = this.#chains.get(chain.netns);
      if (known === undefined) this.#chains.set(chain.netns, [chain]);
      else known.push(chain);
    }
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

  /** Who has an address, as seen from a namespace when that is known. */
  endpoint(ip: string, netns: number | null): EndpointRecord {
    const known = this.#endpoints.get(ip);
    if (known !== undefined) {
      return { name: known.name, kind: known.kind, node: known.node };
    }
    const namespace = netns === null ? undefined : this.#namespaces.get(netns);
    if (namespace !== undefined && namespace.role !== null && namespace.role !== 'wire') {
      const kind = namespace.role === 'client' ? 'external' : namespace.role;
      return { name: namespace.name, kind, node: namespace.node };
    }
    return { name: null, kind: null, node: null };
  }

  /** The service a connection was opened to, by ClusterIP, or by NodePort on a node's address. */
  service(
    original: Pick<Tuple, 'protocolName' | 'dst' | 'dport'>,
    translated: boolean,
  ): string | null {
    const proto = original.protocolName;
    const byIp = this.#services.get(`${proto}:${original.dst}:${original.dport}`);
    if (byIp !== undefined) {
      return byIp;
    }
    const byPort = this.#nodePorts.get(`${proto}:${original.dport}`);
    const onNode = this.#endpoints.get(original.dst)?.kind === 'node';
    return byPort !== undefined && (translated || onNode) ? byPort : null;
  }

  /** The tables on the hooks of a namespace, or null when they could not be read. */
  hung(netns: number, family: CatalogChain['family']): readonly CatalogChain[] | null {
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
