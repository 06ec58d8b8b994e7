import {
  decimal,
  hookSchema,
  type Infer,
  integer,
  mark,
  number,
  problemOf,
  string,
  whole,
} from 'hopscope-protocol';
import * as v from 'valibot';
import { HopscopeError } from '../model/errors.js';

/** What Kubernetes says of a pod besides its name; absent where it is not known. */
const POD_MEMBERS = {
  namespace: v.exactOptional(string),
  /** What made it, such as `Deployment/nginx`. */
  workload: v.exactOptional(string),
  labels: v.exactOptional(v.record(string, string)),
};

const podSchema = v.object(POD_MEMBERS);
export type CatalogPod = Infer<typeof podSchema>;

/** As Lifetime has it. */
const LIFETIME_MEMBERS = {
  from: v.exactOptional(number),
  until: v.exactOptional(number),
};

const namespaceSchema = v.object({
  /** Number by which records name it. */
  netns: whole(),
  /** Inode number, which the next namespace may have when this one has gone. */
  inode: whole(),
  name: string,
  node: v.nullable(string),
  role: v.nullable(v.picklist(['node', 'pod', 'client', 'wire'])),
  /** Of a pod that is known by more than its name. */
  pod: v.exactOptional(podSchema),
});
export type CatalogNamespace = Infer<typeof namespaceSchema>;

export const ENDPOINT_KINDS = ['pod', 'node', 'external'] as const;

/** Who had an address, and when. Several may have had the same one. */
const endpointSchema = v.object({
  ip: string,
  name: string,
  kind: v.picklist(ENDPOINT_KINDS),
  node: v.nullable(string),
  ...POD_MEMBERS,
  ...LIFETIME_MEMBERS,
  /** Number of the namespace that has the address. */
  netns: v.exactOptional(whole()),
  /** Who says so has not been heard of for a while. */
  stale: mark,
  /** Somebody wrote it down: it counts before what anybody else says, of whatever time. */
  written: mark,
});
export type CatalogEndpoint = Infer<typeof endpointSchema>;

const serviceSchema = v.object({
  /** `namespace/name`, as Kubernetes writes it. */
  name: string,
  /** ClusterIP or external address; null for a NodePort, which any node's address serves. */
  ip: v.nullable(string),
  port: whole(),
  /** `tcp`, `udp` or `sctp`. */
  proto: string,
  ...LIFETIME_MEMBERS,
  /** As an endpoint's. */
  written: mark,
});
export type CatalogService = Infer<typeof serviceSchema>;

/** Where a table is registered at a hook. */
const chainSchema = v.object({
  /** Number of the namespace. */
  netns: whole(),
  family: v.picklist(['ipv4', 'ipv6']),
  hook: hookSchema,
  priority: integer,
  table: string,
});
export type CatalogChain = Infer<typeof chainSchema>;

/**
 * What is known about the machine besides packets: names of namespaces, nodes,
 * pods and services, of drop reasons and kernel functions. Gathered at the edges,
 * kept in recordings, and plain JSON.
 */
const catalogSchema = v.object({
  /** Name of this host, the node of everything that is not said to be another's. */
  host: string,
  /** Wall-clock minus monotonic time, nanoseconds, decimal. */
  clockOffsetNs: decimal,
  namespaces: v.array(namespaceSchema),
  endpoints: v.array(endpointSchema),
  services: v.array(serviceSchema),
  /** Base chains, of the namespaces where they could be read; recordings of the first versions have none. */
  chains: v.optional(v.array(chainSchema), []),
  /** enum skb_drop_reason of the running kernel, without its prefix. */
  dropReasons: v.array(v.tuple([whole(), string])),
});
export type Catalog = Infer<typeof catalogSchema>;

/** The same for two entries that say the same of the same time, whatever else they know. */
export function endpointKey({
  ip,
  name,
  kind,
  node,
  namespace,
  netns,
  from,
  until,
}: CatalogEndpoint): string {
  return `${ip} ${kind} ${node} ${namespace}/${name} ${netns} ${from} ${until}`;
}

export function serviceKey({ name, ip, proto, port, from, until }: CatalogService): string {
  return `${proto} ${ip} ${port} ${name} ${from} ${until}`;
}

/** Of text that says it is one: 0 to 65535, or null. */
export function portOf(text: string): number | null {
  const port = /^\d{1,5}$/u.test(text) ? Number(text) : Number.NaN;
  return port <= 0xffff ? port : null;
}

export const EMPTY_CATALOG: Catalog = {
  host: 'host',
  clockOffsetNs: '0',
  namespaces: [],
  endpoints: [],
  services: [],
  chains: [],
  dropReasons: [],
};

/** A catalog that is not what it should be. */
export class CatalogError extends HopscopeError {}

/**
 * A catalog from parsed JSON that anybody may have written.
 *
 * @throws CatalogError `CATALOG_INVALID`, with the place of the first fault
 */
export function parseCatalog(value: unknown): Catalog {
  const result = v.safeParse(catalogSchema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new CatalogError('CATALOG_INVALID', problemOf(result.issues, 'catalog'));
}
