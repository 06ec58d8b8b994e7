import { BpfError, type Link, type NetfilterFamily } from 'ebpf-ts';
import type { HookPlace } from './hook-places.js';
import type { MissingCauses } from './missing-causes.js';
import type { FoundNamespace } from './namespace-watcher.js';

const FAMILIES: readonly NetfilterFamily[] = ['ipv4', 'ipv6'];
/** Between attempts in a namespace that refuses, doubled each time up to the longest. */
const RETRY_FIRST_MS = 50;
const RETRY_LONGEST_MS = 10_000;
/** Failures in a row before one that a namespace on its way out explains is reported. */
const REPORTED_FAILURES = 3;
/** What attaching in a namespace fails with when it goes at that moment. */
const GOING = new Set(['ENOENT', 'EINVAL', 'ESRCH']);

/** The links of one family in one namespace: all that are wanted, or those of before. */
interface LinkSet {
  wanted: ReadonlyMap<string, HookPlace>;
  links: Map<string, Link>;
  failures: number;
  /** `performance.now()` before which it is not tried again. */
  notBefore: number;
}

interface Inside {
  readonly namespace: FoundNamespace;
  readonly sets: Readonly<Record<NetfilterFamily, LinkSet>>;
}

/** Attaches in a namespace, given by its path. */
export type AttachLink = (place: HookPlace, netns: string) => Link;

/** The netfilter links in every namespace: keeps attached what is wanted. */
export class NetfilterLinks {
  readonly #attach: AttachLink;
  readonly #missing: MissingCauses;
  readonly #namespaces = new Map<number, Inside>();
  #open = true;

  constructor(attach: AttachLink, missing: MissingCauses) {
    this.#attach = attach;
    this.#missing = missing;
  }

  /** Links attached now. */
  get size(): number {
    let sum = 0;
    for (const { sets } of this.#namespaces.values()) {
      for (const family of FAMILIES) sum += sets[family].links.size;
    }
    return sum;
  }

  /**
   * Attaches in a namespace what is wanted there and detaches the rest; where a link is
   * refused, what was attached stays, and it is tried again while the namespace is there.
   * The code of the first failure, `null` without one.
   */
  want(namespace: FoundNamespace, places: readonly HookPlace[]): string | null {
    const inside = this.#inside(namespace);
    let failed: string | null = null;
    for (const family of FAMILIES) {
      const set = inside.sets[family];
      const wanted = placesByKey(places.filter((place) => place.family === family));
      if (!sameKeys(wanted, set.wanted)) {
        set.failures = 0;
        set.notBefore = 0;
      }
      set.wanted = wanted;
      failed = this.#settle(inside, family) ?? failed;
    }
    return failed;
  }

  /** Detaches links where nothing else keeps the namespace; the numbers of those namespaces. */
  detachGone(alive: ReadonlyMap<number, unknown>): number[] {
    const left = [...this.#namespaces.keys()].filter((netns) => !alive.has(netns));
    for (const netns of left) {
      const inside = this.#namespaces.get(netns);
      this.#namespaces.delete(netns);
      // A link keeps its namespace alive, and that its devices.
      for (const family of FAMILIES) {
        closeAll(inside?.sets[family].links);
        this.#missing.withdraw(placeName(netns, family));
      }
    }
    return left;
  }

  /** Attaches again what `close` detached, and what was wanted since. */
  open(): void {
    this.#open = true;
    for (const inside of this.#namespaces.values()) {
      for (const family of FAMILIES) this.#settle(inside, family);
    }
  }

  /** Detaches all links; what is wanted is remembered. */
  close(): void {
    this.#open = false;
    for (const { sets } of this.#namespaces.values()) {
      for (const family of FAMILIES) closeAll(sets[family].links);
    }
  }

  #inside(namespace: FoundNamespace): Inside {
    const known = this.#namespaces.get(namespace.netns);
    if (known !== undefined && known.namespace.path === namespace.path) return known;
    // A renamed one is reached by its new path from now on.
    const inside: Inside = {
      namespace,
      sets: known?.sets ?? { ipv4: emptySet(), ipv6: emptySet() },
    };
    this.#namespaces.set(namespace.netns, inside);
    return inside;
  }

  /** The code of a failure, `null` without one. */
  #settle(inside: Inside, family: NetfilterFamily): string | null {
    const set = inside.sets[family];
    if (!this.#open || performance.now() < set.notBefore) return null;
    const fresh = new Map<string, Link>();
    for (const [key, place] of set.wanted) {
      if (set.links.has(key)) continue;
      try {
        fresh.set(key, this.#attach(place, inside.namespace.path));
      } catch (error) {
        closeAll(fresh);
        return this.#failed(inside, family, error);
      }
    }
    for (const [key, link] of set.links) {
      if (!set.wanted.has(key)) {
        link.close();
        set.links.delete(key);
      }
    }
    for (const [key, link] of fresh) set.links.set(key, link);
    if (set.failures > 0) {
      set.failures = 0;
      set.notBefore = 0;
      this.#missing.withdraw(placeName(inside.namespace.netns, family));
    }
    return null;
  }

  #failed({ namespace, sets }: Inside, family: NetfilterFamily, error: unknown): string {
    if (!(error instanceof BpfError)) throw error;
    const set = sets[family];
    set.failures += 1;
    const wait = Math.min(RETRY_FIRST_MS * 2 ** (set.failures - 1), RETRY_LONGEST_MS);
    set.notBefore = performance.now() + wait;
    if (!GOING.has(error.code) || set.failures >= REPORTED_FAILURES) {
      const cause =
        error.code === 'EBUSY'
          ? 'netfilter hooks: another program has the priorities'
          : `netfilter hooks (${family}): ${error.code}`;
      const place = placeName(namespace.netns, family);
      this.#missing.replace(cause, place, namespace.path);
    }
    return error.code;
  }
}

function placeName(netns: number, family: NetfilterFamily): string {
  return `${netns} ${family}`;
}

function emptySet(): LinkSet {
  return { wanted: new Map(), links: new Map(), failures: 0, notBefore: 0 };
}

function placesByKey(places: readonly HookPlace[]): Map<string, HookPlace> {
  return new Map(places.map((place) => [`${place.hook} ${place.priority}`, place]));
}

function sameKeys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): boolean {
  return a.size === b.size && [...a.keys()].every((key) => b.has(key));
}

function closeAll(links: Map<string, Link> | undefined): void {
  for (const link of links?.values() ?? []) link.close();
  links?.clear();
}
