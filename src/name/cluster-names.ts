import {
  type Catalog,
  type CatalogEndpoint,
  type CatalogService,
  EMPTY_CATALOG,
  ENDPOINT_KINDS,
  parseCatalog,
} from './catalog.js';
import { PackedEntries, type Unpacked } from './packed-entries.js';

/** Bytes of a cluster's names that one process keeps: 100,000 pods of two addresses, 10,000 services. */
export const CLUSTER_NAMES_BYTES = 64 << 20;

/** All that is known of a key; with nothing known it is nobody's any more. */
export type NamedGroup<T> = readonly [key: string, entries: readonly T[]];

/** Of the names of a cluster those that have changed. */
export interface NameChange {
  /** Nothing that was said before holds. */
  readonly anew?: true;
  /** Whether all may have been overtaken; absent: as before. */
  readonly stale?: boolean;
  /** By address. */
  readonly endpoints: readonly NamedGroup<CatalogEndpoint>[];
  /** By `servicePlace`. */
  readonly services: readonly NamedGroup<CatalogService>[];
}

/** Where a service is met: protocol, address and port; of a NodePort, which has no address, `*`. */
export function servicePlace(proto: string, ip: string | null, port: number): string {
  return `${proto}:${ip ?? '*'}:${port}`;
}

const ENDPOINTS: Unpacked<CatalogEndpoint> = {
  pack: ({ name, kind, node, namespace, from, until, workload, labels }) => [
    ...[name, ENDPOINT_KINDS.indexOf(kind), node, namespace, from, until, workload, labels],
  ],
  unpack: (ip, [name, kind, node, namespace, from, until, workload, labels]) =>
    ({
      ...{ ip, name, kind: ENDPOINT_KINDS[kind as number] ?? 'external', node: node ?? null },
      ...present({ namespace, from, until, workload, labels }),
    }) as CatalogEndpoint,
};

const SERVICES: Unpacked<CatalogService> = {
  pack: ({ name, from, until }) => [name, from, until],
  unpack: (place, [name, from, until]) => {
    const [proto = '', ...rest] = place.split(':');
    const port = Number(rest.pop());
    const ip = rest.join(':');
    return {
      ...{ name, ip: ip === '*' ? null : ip, port, proto },
      ...present({ from, until }),
    } as CatalogService;
  },
};

function present(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value != null));
}

/**
 * Names of a whole cluster. They come change by change, since all of them at each change would
 * keep who gets them from packets; and they are kept as short texts, since most are never asked for.
 */
export class ClusterNames {
  readonly #endpoints: PackedEntries<CatalogEndpoint>;
  readonly #services: PackedEntries<CatalogService>;
  readonly #limit: number;
  #isStale = false;
  readonly #followers = new Set<NameFollower>();
  /** Groups that there was no room for. */
  refused = 0;

  constructor(limit = CLUSTER_NAMES_BYTES) {
    this.#limit = limit;
    this.#endpoints = new PackedEntries(ENDPOINTS);
    this.#services = new PackedEntries(SERVICES);
  }

  /** By estimate. */
  get memory(): { readonly bytes: number; readonly limit: number } {
    return { bytes: this.#bytes, limit: this.#limit };
  }

  /** Addresses, and places of services. */
  get size(): number {
    return this.#endpoints.size + this.#services.size;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  /** Who had an address. */
  endpoints(ip: string): readonly CatalogEndpoint[] {
    return this.#endpoints.get(ip);
  }

  /** @param place as `servicePlace` has it */
  services(place: string): readonly CatalogService[] {
    return this.#services.get(place);
  }

  change({ anew, stale, endpoints, services }: NameChange): void {
    if (anew === true) {
      this.#endpoints.clear();
      this.#services.clear();
    }
    if (stale !== undefined) this.#isStale = stale;
    for (const [ip, entries] of endpoints) this.#put(this.#endpoints, ip, entries);
    for (const [place, entries] of services) this.#put(this.#services, place, entries);
    for (const follower of this.#followers) {
      if (anew === true) follower.beginAnew();
      if (stale !== undefined) follower.staleChanged();
      for (const [ip] of endpoints) follower.endpointChanged(ip);
      for (const [place] of services) follower.serviceChanged(place);
    }
  }

  /** Changes for somebody who is to know the same; all there is to begin with. Close it at the end. */
  follow(): NameFollower {
    const follower = new NameFollower(this, () => this.#followers.delete(follower));
    for (const ip of this.#endpoints.keys()) follower.endpointChanged(ip);
    for (const place of this.#services.keys()) follower.serviceChanged(place);
    this.#followers.add(follower);
    return follower;
  }

  get #bytes(): number {
    return this.#endpoints.bytes + this.#services.bytes;
  }

  #put<T>(packed: PackedEntries<T>, key: string, entries: readonly T[]): void {
    const hasRoom = packed.set(key, entries, this.#limit - this.#bytes);
    if (!hasRoom) this.refused += 1;
  }
}

/**
 * What somebody has not been told yet. One who is slow gets what holds then, and the state between
 * is left out.
 */
export class NameFollower {
  readonly #names: ClusterNames;
  readonly #onClose: () => void;
  readonly #endpoints = new Set<string>();
  readonly #services = new Set<string>();
  #isAnew = true;
  #isStaleChanged = true;
  #hadAll = false;

  constructor(names: ClusterNames, onClose: () => void) {
    this.#names = names;
    this.#onClose = onClose;
  }

  /** Whether all that there was at the beginning has been taken. */
  get hadAll(): boolean {
    return this.#hadAll;
  }

  beginAnew(): void {
    this.#endpoints.clear();
    this.#services.clear();
    this.#isAnew = true;
  }

  staleChanged(): void {
    this.#isStaleChanged = true;
  }

  endpointChanged(ip: string): void {
    this.#endpoints.add(ip);
  }

  serviceChanged(place: string): void {
    this.#services.add(place);
  }

  /** The next so many, or fewer; null when nothing has changed. */
  take(groups: number): NameChange | null {
    if (this.#endpoints.size + this.#services.size === 0) {
      this.#hadAll = true;
      if (!this.#isAnew && !this.#isStaleChanged) return null;
    }
    const names = this.#names;
    const services = taken(this.#services, groups, (place) => names.services(place));
    const left = groups - services.length;
    const endpoints = taken(this.#endpoints, left, (ip) => names.endpoints(ip));
    const change: NameChange = {
      ...(this.#isAnew ? { anew: true } : {}),
      ...(this.#isStaleChanged ? { stale: names.isStale } : {}),
      ...{ endpoints, services },
    };
    this.#isAnew = false;
    this.#isStaleChanged = false;
    this.#hadAll ||= this.#endpoints.size + this.#services.size === 0;
    return change;
  }

  close(): void {
    this.#onClose();
  }
}

function taken<T>(
  keys: Set<string>,
  most: number,
  entriesOf: (key: string) => readonly T[],
): NamedGroup<T>[] {
  const groups: NamedGroup<T>[] = [];
  for (const key of keys) {
    if (groups.length >= most) break;
    keys.delete(key);
    groups.push([key, entriesOf(key)]);
  }
  return groups;
}

/**
 * A change from parsed JSON that anybody may have written.
 *
 * @throws CatalogError `CATALOG_INVALID`
 */
export function parseNameChange(value: unknown): NameChange {
  const given = fieldsOf(value);
  const endpoints = groupsOf(given['endpoints']);
  const services = groupsOf(given['services']);
  const known: Catalog = parseCatalog({
    ...EMPTY_CATALOG,
    endpoints: endpoints.flatMap(([, entries]) => entries),
    services: services.flatMap(([, entries]) => entries),
  });
  return {
    ...(given['anew'] === true ? { anew: true } : {}),
    ...(typeof given['stale'] === 'boolean' ? { stale: given['stale'] } : {}),
    endpoints: regrouped(endpoints, known.endpoints),
    services: regrouped(services, known.services),
  };
}

/** What is none is left out. */
function groupsOf(value: unknown): (readonly [string, readonly unknown[]])[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((group: unknown) => {
    if (!Array.isArray(group)) return [];
    const [key, entries] = group as readonly unknown[];
    return typeof key === 'string' && Array.isArray(entries) ? [[key, entries] as const] : [];
  });
}

function regrouped<T>(
  groups: readonly (readonly [string, readonly unknown[]])[],
  entries: readonly T[],
): NamedGroup<T>[] {
  let at = 0;
  return groups.map(([key, { length }]) => {
    at += length;
    return [key, entries.slice(at - length, at)];
  });
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
