import type { Hook } from 'hopscope-protocol';

/** enum nf_inet_hooks (include/uapi/linux/netfilter.h), by number. */
export const HOOK_NAMES: readonly Hook[] = [
  'prerouting',
  'input',
  'forward',
  'output',
  'postrouting',
];

/** Where hops are seen in a hook, and the table that runs right after. */
export interface ObservedPriority {
  readonly priority: number;
  /** Which way the priority is offset when another program has it. */
  readonly offsetSign: -1 | 1;
  /** The table that did it when a packet seen here is not seen at the next place. */
  readonly next: string | null;
}

function before(priority: number, next: string | null): ObservedPriority {
  return { priority, offsetSign: -1, next };
}

function after(priority: number, next: string | null): ObservedPriority {
  return { priority, offsetSign: 1, next };
}

/**
 * The observed priorities of each hook, in order: around every table that may
 * change or drop a packet there (enum nf_ip_hook_priorities,
 * include/uapi/linux/netfilter_ipv4.h).
 */
export const OBSERVED_PRIORITIES: Readonly<Record<Hook, readonly ObservedPriority[]>> = {
  prerouting: [before(-301, 'raw'), before(-151, 'mangle'), before(-101, 'nat'), after(-99, null)],
  input: [before(-151, 'mangle'), before(-1, 'filter'), after(1, null), after(101, null)],
  forward: [before(-151, 'mangle'), before(-1, 'filter'), after(1, null)],
  output: [
    before(-301, 'raw'),
    before(-151, 'mangle'),
    before(-101, 'nat'),
    after(-99, 'filter'),
    after(1, null),
  ],
  postrouting: [before(-151, 'mangle'), before(97, 'nat'), after(101, null)],
};

/** Observers that fit side by side; the narrowest room is between mangle and nat. */
export const PRIORITY_OFFSET_LIMIT = 16;

/** A table on a hook. */
export interface RegisteredTable {
  readonly hook: Hook;
  readonly priority: number;
  readonly table: string;
}

/**
 * The tables that come after the observation at `priority` in a hook and before the next
 * one, by name, each once.
 *
 * @param registered what is registered at the namespace's hooks; `null` when that is not known, and the
 *   table is the one that iptables has there
 * @param edges whether only the first and the last place of the hook were observed
 */
export function tablesAfter(
  hook: Hook,
  priority: number,
  registered: readonly RegisteredTable[] | null = null,
  edges = false,
): string[] {
  const places = OBSERVED_PRIORITIES[hook];
  const index = places.findIndex((place) => {
    const priorityOffset = (priority - place.priority) * place.offsetSign;
    return priorityOffset >= 0 && priorityOffset < PRIORITY_OFFSET_LIMIT;
  });
  const place = places[index];
  if (place === undefined) return [];
  if (registered === null) return edges || place.next === null ? [] : [place.next];
  const next = places[edges ? Math.max(index + 1, places.length - 1) : index + 1];
  // What has the priority of a place gives it an offset, away from the table or towards it.
  const end = (next?.priority ?? Number.POSITIVE_INFINITY) + (next?.offsetSign === 1 ? 1 : 0);
  const between = registered.filter(
    (each) => each.hook === hook && each.priority > priority && each.priority < end,
  );
  return [...new Set(between.map(({ table }) => table))].sort();
}
