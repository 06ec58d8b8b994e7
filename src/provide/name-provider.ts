import type {
  CatalogChain,
  CatalogEndpoint,
  CatalogNamespace,
  CatalogService,
} from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { FoundNamespace } from '../source/namespace-watcher.js';

/** Who says a name. Where several know the same thing, the first of these is believed. */
export const PROVIDERS = [
  ...(['file', 'kubernetes', 'cri', 'docker', 'lab', 'rules', 'unit'] as const),
] as const;
export type ProviderName = (typeof PROVIDERS)[number];

/** What a provider knows of a namespace, by its number; null or absent where it does not know. */
export interface NamespaceFact
  extends Partial<Omit<CatalogNamespace, 'netns' | 'inode' | 'name' | 'role'>> {
  readonly netns: number;
  /** Counts only where nobody gave it a name under /run/netns. */
  readonly name?: string | null;
  readonly role?: CatalogNamespace['role'];
}

/** What a provider knows at one moment: plain values, which other processes may be sent. */
export interface NameFacts {
  readonly namespaces: readonly NamespaceFact[];
  readonly endpoints: readonly CatalogEndpoint[];
  readonly services: readonly CatalogService[];
  readonly chains: readonly CatalogChain[];
}

export const NO_FACTS: NameFacts = { namespaces: [], endpoints: [], services: [], chains: [] };

/** The door for names: whoever knows what something on this machine is called. */
export interface NameProvider {
  readonly name: ProviderName;
  /**
   * What it knows now. It is asked soon after a namespace came or went, and from time to time;
   * what did not change since is to cost it next to nothing.
   *
   * @throws whatever went wrong: what it said before still holds, and the others are asked
   */
  read(found: readonly FoundNamespace[]): Promise<NameFacts>;
  /** Has itself asked as soon as it knows something new; absent: it knows when it is asked. */
  watch?(onNews: () => void): void;
  /**
   * For one that knows a whole cluster: says what changes, beside what is read. Groups of names are
   * given as they are from then on, those of the beginning too.
   */
  follow?(onChange: (change: NameChange) => void): void;
  /** Milliseconds since what it says was certain; null while it never was, absent: as it is read. */
  readonly ageMs?: number | null;
  /** Whether what it says may have been overtaken. */
  readonly isStale?: boolean;
  /** What it would say if it could, in words. */
  readonly missing?: readonly string[];
  close?(): void;
}
