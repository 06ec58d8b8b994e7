import { UsageError } from '../model/errors.js';
import {
  type FoundNamespace,
  NamespaceWatcher,
  type RefusedNamespace,
} from './namespace-watcher.js';

/** The machine's namespaces, or those of them that were asked for by name. */
export class ObservedNamespaces {
  readonly #wanted: readonly string[] | null;
  readonly #watcher = new NamespaceWatcher();

  /** @param wanted names under /run/netns, and `host` for the daemon's own; `null` for all */
  constructor(wanted: readonly string[] | null) {
    this.#wanted = wanted;
  }

  /** Those there are now, by their numbers; see `NamespaceWatcher.scan`. */
  scan(full = false): Map<number, FoundNamespace> {
    const found = this.#watcher.scan(full);
    const wanted = this.#wanted;
    if (wanted === null) return found;
    const own = NamespaceWatcher.own().netns;
    return new Map(
      [...found].filter(
        ([netns, { name }]) =>
          (name !== null && wanted.includes(name)) || (netns === own && wanted.includes('host')),
      ),
    );
  }

  /** Those that the last scan was not let into, by inode. */
  get refused(): ReadonlyMap<number, RefusedNamespace> {
    return this.#watcher.refused;
  }

  /** @throws UsageError `NETNS_NOT_FOUND` when one that was asked for is not among those found */
  requireNamed(found: ReadonlyMap<number, FoundNamespace>): void {
    const names = new Set([...found.values()].map(({ name }) => name));
    for (const name of this.#wanted ?? []) {
      if (!names.has(name) && name !== 'host') {
        throw new UsageError(
          'NETNS_NOT_FOUND',
          `there is no network namespace ${name}; see: ip netns list`,
        );
      }
    }
  }
}

/** Whether two looks found the same namespaces by the same names. */
export function sameNamespaces(
  before: ReadonlyMap<number, FoundNamespace>,
  after: ReadonlyMap<number, FoundNamespace>,
): boolean {
  return (
    before.size === after.size &&
    [...after.values()].every(({ netns, name }) => before.get(netns)?.name === name)
  );
}
