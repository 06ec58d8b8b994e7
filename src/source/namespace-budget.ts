import type { FoundNamespace } from './namespace-watcher.js';

/** Namespaces that are watched; each takes some 2 to 40 open files. */
export const WATCHED_LIMIT = 4_096;
/** Those of one user, who makes them in user namespaces without a privilege; not of root. */
export const WATCHED_OF_USER_LIMIT = 64;
const ROOT = 0;

export interface Budgeted {
  readonly watched: ReadonlyMap<number, FoundNamespace>;
  /** Those that are not, by why. */
  readonly refused: ReadonlyMap<string, readonly FoundNamespace[]>;
}

/**
 * Which namespaces are watched: any user could make so many that no file could be opened for
 * those that come later. Root's come first, then the oldest ones.
 */
export function withinBudget(
  found: ReadonlyMap<number, FoundNamespace>,
  limit = WATCHED_LIMIT,
  limitOfUser = WATCHED_OF_USER_LIMIT,
): Budgeted {
  const watched = new Map<number, FoundNamespace>();
  const refused = new Map<string, FoundNamespace[]>();
  const ofUser = new Map<number | null, number>();
  for (const namespace of [...found.values()].sort(byOwnerAndAge)) {
    const { netns, owner } = namespace;
    const held = ofUser.get(owner) ?? 0;
    const why =
      owner !== ROOT && held >= limitOfUser
        ? `namespaces of user ${owner ?? '?'} past ${limitOfUser}`
        : watched.size >= limit
          ? `namespaces past ${limit}`
          : null;
    if (why === null) {
      watched.set(netns, namespace);
      ofUser.set(owner, held + 1);
    } else {
      const alike = refused.get(why);
      if (alike === undefined) refused.set(why, [namespace]);
      else alike.push(namespace);
    }
  }
  return { watched, refused };
}

/** Numbers grow with time, but for those of different CPUs, of which each takes 4,096 at a time. */
function byOwnerAndAge(a: FoundNamespace, b: FoundNamespace): number {
  return Number(a.owner !== ROOT) - Number(b.owner !== ROOT) || a.netns - b.netns;
}
