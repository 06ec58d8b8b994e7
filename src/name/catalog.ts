import type { Hook } from 'hopscope-protocol';
import { HopscopeError } from '../model/errors.js';
import type { Lifetime } from './lifetime.js';
import { HOOK_NAMES } from './netfilter-table.js';

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
  /** Base chains, of the namespaces where they could be read. */
  readonly chains: readonly CatalogChain[];
  /** enum skb_drop_reason of the running kernel, without its prefix. */
  readonly dropReasons: readonly (readonly [number, string])[];
}

export interface CatalogNamespace {
  /** Number by which records name it. */
  readonly netns: number;
  /** Inode number, which the next namespace may have when this one has gone. */
  readonly inode: number;
  readonly name: string;
  readonly node: string | null;
  readonly role: 'node' | 'pod' | 'client' | 'wire' | null;
  /** Of a pod that is known by more than its name. */
  readonly pod?: CatalogPod;
}

/** What Kubernetes says of a pod besides its name; absent where it is not known. */
export interface CatalogPod {
  readonly namespace?: string;
  /** What made it, such as `Deployment/nginx`. */
  readonly workload?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Who had an address, and when. Several may have had the same one. */
export interface CatalogEndpoint extends CatalogPod, Lifetime {
  readonly ip: string;
  readonly name: string;
  readonly kind: 'pod' | 'node' | 'external';
  readonly node: string | null;
  /** Number of the namespace that has the address. */
  readonly netns?: number;
  /** Who says so has not been heard of for a while. */
  readonly stale?: true;
  /** Somebody wrote it down: it counts before what anybody else says, of whatever time. */
  readonly written?: true;
}

export interface CatalogService extends Lifetime {
  /** `namespace/name`, as Kubernetes writes it. */
  readonly name: string;
  /** ClusterIP or external address; null for a NodePort, which any node's address serves. */
  readonly ip: string | null;
  readonly port: number;
  /** `tcp`, `udp` or `sctp`. */
  readonly proto: string;
  /** As an endpoint's. */
  readonly written?: true;
}

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

/** Where a table is registered at a hook. */
export interface CatalogChain {
  /** Number of the namespace. */
  readonly netns: number;
  readonly family: 'ipv4' | 'ipv6';
  readonly hook: Hook;
  readonly priority: number;
  readonly table: string;
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

const ROLES = ['node', 'pod', 'client', 'wire', null] as const;
const KINDS = ['pod', 'node', 'external'] as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;

/**
 * A catalog from parsed JSON that anybody may have written.
 *
 * @throws CatalogError `CATALOG_INVALID`, with the place of the first fault
 */
export function parseCatalog(value: unknown): Catalog {
  const catalog = fields(value, 'catalog');
  return {
    host: text(catalog['host'], 'host'),
    clockOffsetNs: decimal(catalog['clockOffsetNs'], 'clockOffsetNs'),
    namespaces: list(catalog['namespaces'], 'namespaces', (each, at) => {
      const namespace = fields(each, at);
      return {
        netns: whole(namespace['netns'], `${at}.netns`),
        inode: whole(namespace['inode'], `${at}.inode`),
        name: text(namespace['name'], `${at}.name`),
        node: textOrNull(namespace['node'], `${at}.node`),
        role: oneOf(ROLES, namespace['role'], `${at}.role`),
        ...(namespace['pod'] === undefined ? {} : { pod: pod(namespace['pod'], `${at}.pod`) }),
      };
    }),
    endpoints: list(catalog['endpoints'], 'endpoints', (each, at) => {
      const endpoint = fields(each, at);
      return {
        ip: text(endpoint['ip'], `${at}.ip`),
        name: text(endpoint['name'], `${at}.name`),
        kind: oneOf(KINDS, endpoint['kind'], `${at}.kind`),
        node: textOrNull(endpoint['node'], `${at}.node`),
        ...pod(endpoint, at),
        ...optional('netns', endpoint['netns'], (netns) => whole(netns, `${at}.netns`)),
        ...optional('stale', endpoint['stale'], (stale) => mark(stale, `${at}.stale`)),
        ...optional('written', endpoint['written'], (each) => mark(each, `${at}.written`)),
        ...lifetime(endpoint, at),
      };
    }),
    services: list(catalog['services'], 'services', (each, at) => {
      const service = fields(each, at);
      return {
        name: text(service['name'], `${at}.name`),
        ip: textOrNull(service['ip'], `${at}.ip`),
        port: whole(service['port'], `${at}.port`),
        proto: text(service['proto'], `${at}.proto`),
        ...optional('written', service['written'], (each) => mark(each, `${at}.written`)),
        ...lifetime(service, at),
      };
    }),
    // Recordings of the first versions have none.
    chains: list(catalog['chains'] ?? [], 'chains', (each, at) => {
      const chain = fields(each, at);
      return {
        netns: whole(chain['netns'], `${at}.netns`),
        family: oneOf(FAMILIES, chain['family'], `${at}.family`),
        hook: oneOf(HOOK_NAMES, chain['hook'], `${at}.hook`),
        priority: integer(chain['priority'], `${at}.priority`),
        table: text(chain['table'], `${at}.table`),
      };
    }),
    dropReasons: list(catalog['dropReasons'], 'dropReasons', (each, at) => {
      if (!Array.isArray(each) || each.length !== 2) {
        throw invalid(at, 'a number and its name');
      }
      return [whole(each[0], `${at}[0]`), text(each[1], `${at}[1]`)] as const;
    }),
  };
}

function pod(value: unknown, at: string): CatalogPod {
  const { namespace, workload, labels } = fields(value, at);
  return {
    ...optional('namespace', namespace, (name) => text(name, `${at}.namespace`)),
    ...optional('workload', workload, (name) => text(name, `${at}.workload`)),
    ...optional('labels', labels, (given) =>
      Object.fromEntries(
        Object.entries(fields(given, `${at}.labels`)).map(([key, label]) => [
          key,
          text(label, `${at}.labels`),
        ]),
      ),
    ),
  };
}

function lifetime({ from, until }: Readonly<Record<string, unknown>>, at: string): Lifetime {
  return {
    ...optional('from', from, (time) => finite(time, `${at}.from`)),
    ...optional('until', until, (time) => finite(time, `${at}.until`)),
  };
}

function optional<K extends string, T>(
  key: K,
  value: unknown,
  read: (value: unknown) => T,
): { readonly [P in K]?: T } {
  // The compiler does not see that a computed key is the only one.
  return value === undefined ? {} : ({ [key]: read(value) } as { readonly [P in K]?: T });
}

function mark(value: unknown, at: string): true {
  return oneOf([true] as const, value, at);
}

function finite(value: unknown, at: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(at, 'a number');
  return value;
}

function invalid(at: string, wanted: string): CatalogError {
  return new CatalogError('CATALOG_INVALID', `${at} is not ${wanted}`);
}

function fields(value: unknown, at: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(at, 'an object');
  }
  return value as Readonly<Record<string, unknown>>;
}

function list<T>(value: unknown, at: string, each: (value: unknown, at: string) => T): T[] {
  if (!Array.isArray(value)) {
    throw invalid(at, 'a list');
  }
  return value.map((element, index) => each(element, `${at}[${index}]`));
}

function text(value: unknown, at: string): string {
  if (typeof value !== 'string') {
    throw invalid(at, 'a text');
  }
  return value;
}

function textOrNull(value: unknown, at: string): string | null {
  return value === null ? null : text(value, at);
}

function whole(value: unknown, at: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(at, 'a whole number');
  }
  return value;
}

function integer(value: unknown, at: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw invalid(at, 'an integer');
  }
  return value;
}

function decimal(value: unknown, at: string): string {
  if (typeof value !== 'string' || !/^-?\d{1,20}$/u.test(value)) {
    throw invalid(at, 'a decimal number as text');
  }
  return value;
}

function oneOf<T>(allowed: readonly T[], value: unknown, at: string): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) {
    throw invalid(at, `one of ${allowed.join(', ')}`);
  }
  return found;
}
