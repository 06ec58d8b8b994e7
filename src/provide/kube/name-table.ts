import type { CatalogEndpoint, CatalogService } from '../../name/catalog.js';
import { type NameChange, type NamedGroup, servicePlace } from '../../name/cluster-names.js';
import { NO_NAMES, type ObjectNames } from '../../name/kube-objects.js';
import type { Lifetime } from '../../name/lifetime.js';
import type { Resource } from './cluster.js';

const MIB = 1 << 20;
/**
 * Bytes of names that are kept of each resource: of a cluster of 5,000 nodes, 10,000 services and
 * 100,000 pods behind them, of two addresses each. An object past it is left out, and counted.
 */
export const KUBE_NAMES_BYTES: Readonly<Record<Resource, number>> = {
  pods: 4 * MIB,
  nodes: 4 * MIB,
  services: 12 * MIB,
  endpointslices: 40 * MIB,
};
/** Names that held and hold no more, which are kept. */
export const KUBE_ENDED_LIMIT = 4_096;
/** Of an address or a port, besides its texts. */
const ENTRY_BYTES = 96;

/** The same moment, in milliseconds. */
export interface Clocks {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

interface Size {
  bytes: number;
  /** Keys of objects past the limit. */
  readonly leftOut: Set<string>;
}

interface Known {
  /** With times of the wall clock. */
  readonly given: ObjectNames;
  readonly names: ObjectNames;
  readonly bytes: number;
}

/** What one object says of a key. */
interface Said<T> {
  readonly object: string;
  readonly entries: readonly T[];
}

/** Of one key: there are so many that a list of objects, mostly of one, has to do. */
interface Group<T> {
  readonly said: readonly Said<T>[];
  readonly ended: readonly T[];
}

/** What all objects say together, address by address, and which of it has changed. */
export class NameTable {
  readonly #limits: Readonly<Record<Resource, number>>;
  readonly #objects = new Map<string, Known>();
  readonly #sizes = new Map<string, Size>();
  readonly #endpoints = new Groups<CatalogEndpoint>(
    ({ name, namespace }) => `${namespace}/${name}`,
  );
  readonly #services = new Groups<CatalogService>(({ name }) => name);

  constructor(limits = KUBE_NAMES_BYTES) {
    this.#limits = limits;
  }

  /** Objects of each resource that there was no room for. */
  get leftOut(): Readonly<Record<string, number>> {
    const counts = [...this.#sizes].map(([resource, { leftOut }]) => [resource, leftOut.size]);
    return Object.fromEntries(counts.filter(([, count]) => count !== 0));
  }

  /** Changes that wait to be taken. */
  get waiting(): number {
    return this.#endpoints.changed.size + this.#services.changed.size;
  }

  /**
   * What an object says from now on; null when it is gone.
   *
   * @param key its resource first
   * @param names times are of the wall clock here; what is taken has the clock of records
   */
  put(key: string, names: ObjectNames | null, clocks: Clocks): void {
    const now = Math.floor(clocks.monotonicMs);
    const before = this.#objects.get(key);
    const after = this.#taken(key, names, before, clocks);
    if (after === null) this.#objects.delete(key);
    else this.#objects.set(key, after);
    const [was, is] = [before?.names ?? NO_NAMES, after?.names ?? NO_NAMES];
    this.#endpoints.replace(key, byKey(was.endpoints, ipOf), byKey(is.endpoints, ipOf), now);
    this.#services.replace(key, byKey(was.services, placeOf), byKey(is.services, placeOf), now);
  }

  /** The next so many changes. */
  take(groups: number): NameChange {
    const services = this.#services.take(groups, (said) => said.flatMap(({ entries }) => entries));
    const endpoints = this.#endpoints.take(groups - services.length, endpointsOf);
    return { endpoints, services };
  }

  /** Null past the limit. */
  #taken(
    key: string,
    given: ObjectNames | null,
    before: Known | undefined,
    clocks: Clocks,
  ): Known | null {
    const resource = key.slice(0, key.indexOf('/')) as Resource;
    const size = this.#sizes.get(resource) ?? { bytes: 0, leftOut: new Set<string>() };
    this.#sizes.set(resource, size);
    const kept = size.bytes - (before?.bytes ?? 0);
    if (given === null) {
      size.bytes = kept;
      size.leftOut.delete(key);
      return null;
    }
    const bytes = bytesOf(given);
    const hasRoom = kept + bytes <= this.#limits[resource];
    size.bytes = hasRoom ? kept + bytes : kept;
    if (hasRoom) size.leftOut.delete(key);
    else size.leftOut.add(key);
    return hasRoom ? { given, names: monotonic(given, before, clocks), bytes } : null;
  }
}

class Groups<T extends Lifetime> {
  readonly changed = new Set<string>();
  readonly #groups = new Map<string, Group<T>>();
  readonly #identityOf: (entry: T) => string;
  /** Keys of groups by what has ended in them, the oldest first. */
  readonly #ended = new Map<T, string>();

  /** @param identityOf the same for what is known more of later */
  constructor(identityOf: (entry: T) => string) {
    this.#identityOf = identityOf;
  }

  /** What an object said is replaced by what it says. */
  replace(
    object: string,
    before: ReadonlyMap<string, readonly T[]>,
    after: ReadonlyMap<string, readonly T[]>,
    now: number,
  ): void {
    for (const key of before.keys()) {
      if (!after.has(key)) this.#set(key, object, null, now);
    }
    for (const [key, entries] of after) {
      const isSame = JSON.stringify(before.get(key)) === JSON.stringify(entries);
      if (!isSame) this.#set(key, object, entries, now);
    }
  }

  take(most: number, merge: (said: readonly Said<T>[]) => readonly T[]): NamedGroup<T>[] {
    const groups: NamedGroup<T>[] = [];
    for (const key of this.changed) {
      if (groups.length >= most) break;
      this.changed.delete(key);
      const group = this.#groups.get(key);
      groups.push([key, group === undefined ? [] : [...merge(group.said), ...group.ended]]);
    }
    return groups;
  }

  #set(key: string, object: string, entries: readonly T[] | null, now: number): void {
    const group = this.#groups.get(key) ?? { said: [], ended: [] };
    const before = group.said.find((each) => each.object === object)?.entries ?? [];
    const others = group.said.filter((each) => each.object !== object);
    const said = entries === null ? others : [...others, { object, entries }];
    const still = new Set(said.flatMap((each) => each.entries.map(this.#identityOf)));
    for (const each of group.ended) {
      if (still.has(this.#identityOf(each))) this.#ended.delete(each);
    }
    // It was only not heard of for a while.
    const ended = group.ended.filter((each) => !still.has(this.#identityOf(each)));
    for (const each of before) {
      if (still.has(this.#identityOf(each))) continue;
      const over: T = { ...each, until: now };
      ended.push(over);
      this.#ended.set(over, key);
    }
    this.#keep(key, { said, ended });
    this.#forget();
  }

  #forget(): void {
    for (const [oldest, key] of this.#ended) {
      if (this.#ended.size <= KUBE_ENDED_LIMIT) break;
      this.#ended.delete(oldest);
      const group = this.#groups.get(key);
      if (group === undefined) continue;
      this.#keep(key, { ...group, ended: group.ended.filter((each) => each !== oldest) });
    }
  }

  #keep(key: string, group: Group<T>): void {
    if (group.said.length === 0 && group.ended.length === 0) this.#groups.delete(key);
    else this.#groups.set(key, group);
    this.changed.add(key);
  }
}

/** A slice says less than a pod, and of one in its node's namespace else; a pod may back several services. */
function endpointsOf(said: readonly Said<CatalogEndpoint>[]): readonly CatalogEndpoint[] {
  const known: CatalogEndpoint[] = [];
  const ofSlices = new Map<string, CatalogEndpoint>();
  for (const { object, entries } of said) {
    if (!object.startsWith('endpointslices/')) known.push(...entries);
    else for (const each of entries) ofSlices.set(each.name, each);
  }
  return known.length > 0 ? known : [...ofSlices.values()];
}

/** Each time is worked out once, or a step of the wall clock would make it another. */
function monotonic(
  given: ObjectNames,
  before: Known | undefined,
  { monotonicMs, wallMs }: Clocks,
): ObjectNames {
  if (given.endpoints.every(({ from }) => from === undefined)) return given;
  const endpoints = given.endpoints.map((each): CatalogEndpoint => {
    const { from, ip, name } = each;
    if (from === undefined) return each;
    const was = before?.given.endpoints.findIndex(
      (known) => known.ip === ip && known.name === name && known.from === from,
    );
    const known = was === undefined ? undefined : before?.names.endpoints[was]?.from;
    return { ...each, from: known ?? Math.floor(from + monotonicMs - wallMs) };
  });
  return { ...given, endpoints };
}

function ipOf({ ip }: CatalogEndpoint): string {
  return ip;
}

function placeOf({ proto, ip, port }: CatalogService): string {
  return servicePlace(proto, ip, port);
}

function byKey<T>(entries: readonly T[], keyOf: (entry: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const each of entries) {
    const key = keyOf(each);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [each]);
    else group.push(each);
  }
  return groups;
}

function bytesOf({ endpoints, services }: ObjectNames): number {
  let bytes = ENTRY_BYTES;
  for (const { ip, name, node, namespace = '', workload = '', labels = {} } of endpoints) {
    bytes += ENTRY_BYTES + ip.length + name.length + namespace.length + workload.length;
    bytes += node?.length ?? 0;
    for (const [key, value] of Object.entries(labels)) bytes += key.length + value.length;
  }
  for (const { ip, name } of services) bytes += ENTRY_BYTES + name.length + (ip?.length ?? 0);
  return bytes;
}
