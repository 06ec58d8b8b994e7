import { RuleCounters } from './rule-counters.js';
import type { RuleSet } from './rule-set.js';

/** Rule sets of one namespace that are kept; the oldest is removed. */
export const VERSIONS_LIMIT = 4;
/** Namespaces whose rules are kept; past it the one that was read first is removed. */
export const NAMESPACES_LIMIT = 4_096;

/** A rule set, and when it was in force: ns since the source's epoch. */
interface Version {
  readonly from: number;
  until: number;
  /** Null: the namespace has no rules. */
  readonly set: RuleSet | null;
}

/** `later`: nobody has looked since. `changed`: the rules changed about then, or were not known yet. */
export type Found = RuleSet | 'none' | 'later' | 'changed' | 'unread';

/** The rules of all namespaces, by the time they were in force. */
export class RuleBook {
  /** Whether what is not known yet will be. */
  isFollowed = false;
  readonly counters: RuleCounters;
  readonly #namespaces = new Map<number, Version[]>();

  constructor(counters = new RuleCounters()) {
    this.counters = counters;
  }

  add(netns: number, from: number, until: number, set: RuleSet | null): void {
    const versions = this.#namespaces.get(netns) ?? [];
    if (versions.length === 0) {
      const [oldest] = this.#namespaces.keys();
      if (this.#namespaces.size >= NAMESPACES_LIMIT && oldest !== undefined) {
        this.#namespaces.delete(oldest);
        this.counters.namespacesEvicted += 1;
      }
      this.#namespaces.set(netns, versions);
    }
    versions.push({ from, until, set });
    if (versions.length > VERSIONS_LIMIT) versions.shift();
  }

  /** Nothing has changed up to then. */
  confirm(netns: number, until: number): void {
    const newest = this.#namespaces.get(netns)?.at(-1);
    if (newest !== undefined) newest.until = Math.max(newest.until, until);
  }

  forget(netns: number): void {
    this.#namespaces.delete(netns);
  }

  at(netns: number, time: number): Found {
    const versions = this.#namespaces.get(netns);
    const newest = versions?.at(-1);
    if (versions === undefined || newest === undefined) {
      return this.isFollowed ? 'later' : 'unread';
    }
    if (time > newest.until) return 'later';
    const version = versions.find(({ from, until }) => time >= from && time <= until);
    if (version === undefined) return 'changed';
    return version.set ?? 'none';
  }
}
