/**
 * What is known about the machine besides packets: names of namespaces, nodes,
 * pods and services, of drop reasons and kernel functions. Gathered at the edges,
 * kept in recordings, and plain JSON.
 */
export interface Catalog {
  /** Name of this host, the node of everything that is not said to be another's. */
  readonly host: string;
  /** Wall-clock minus monotonic time, nanoseconds, decimal. */
  readonly clockOffsetNs: string;
  readonly namespaces: readonly CatalogNamespace[];
  readonly endpoints: readonly CatalogEndpoint[];
  readonly services: readonly CatalogService[];
  /** enum skb_drop_reason of the running kernel, without its prefix. */
  readonly dropReasons: readonly (readonly [number, string])[];
}

export interface CatalogNamespace {
  /** Inode number of the namespace. */
  readonly inode: number;
  readonly name: string;
  readonly node: string | null;
  readonly role: 'node' | 'pod' | 'client' | 'wire' | null;
}

export interface CatalogEndpoint {
  readonly ip: string;
  readonly name: string;
  readonly kind: 'pod' | 'node' | 'external';
  readonly node: string | null;
}

export interface CatalogService {
  /** `namespace/name`, as Kubernetes writes it. */
  readonly name: string;
  /** ClusterIP or external address; null for a NodePort, which any node's address serves. */
  readonly ip: string | null;
  readonly port: number;
  /** `tcp`, `udp` or `sctp`. */
  readonly proto: string;
}

export const EMPTY_CATALOG: Catalog = {
  host: 'host',
  clockOffsetNs: '0',
  namespaces: [],
  endpoints: [],
  services: [],
  dropReasons: [],
};
