import type { NetfilterFamily, NetfilterHook } from 'ebpf-ts';
import { HOOK_NAMES, OBSERVED_PRIORITIES } from '../name/netfilter-table.js';
import { linkProgram } from './hook-programs.js';

/** More is registered at a hook than was noted: every place may show something. */
export const UNKNOWN_PRIORITIES = 'unknown';

/** Priorities in use, ascending, by family and hook; a hook that is absent has none. */
export type HookDemand = Record<
  NetfilterFamily,
  Partial<Record<NetfilterHook, readonly number[] | typeof UNKNOWN_PRIORITIES>>
>;

/** `all`: each place that may show something. `edges`: the first and the last of them. */
export type HookDetail = 'all' | 'edges';

/** Where a netfilter link is attached. */
export interface HookPlace {
  readonly program: string;
  readonly family: NetfilterFamily;
  readonly hook: NetfilterHook;
  readonly priority: number;
}

/** Nothing is registered at any hook. */
export const NO_DEMAND: HookDemand = { ipv4: {}, ipv6: {} };

/** What is registered is not known: the same for every hook. */
export const UNKNOWN_DEMAND: HookDemand = { ipv4: everyHook(), ipv6: everyHook() };

/**
 * The places where links are needed. A place is when something is registered between it and
 * the next one: it sees the packet before that runs, so a packet that was seen there and not at
 * the next place was dropped in between. The last place of such a hook is too, since it shows
 * what the hook made of the packet. Places with nothing in between would see the same.
 *
 * The last of INPUT is always one: the kernel reports drops and not deliveries, and
 * without it nothing says that a packet has come to where sockets are.
 *
 * @param priorityOffset offset of each place from its priority, which another observer has
 */
export function wantedPlaces(
  demand: HookDemand,
  detail: HookDetail,
  priorityOffset: number,
): HookPlace[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) =>
    HOOK_NAMES.flatMap((hook) => {
      const places = OBSERVED_PRIORITIES[hook].map((place) => ({
        program: linkProgram(place.priority),
        family,
        hook,
        priority: place.priority + priorityOffset * place.offsetSign,
      }));
      const there = demand[family][hook] ?? [];
      if (there.length === 0) return hook === 'input' ? places.slice(-1) : [];
      const used = places.filter((place, index) => {
        const next = places[index + 1];
        if (next === undefined || there === UNKNOWN_PRIORITIES) return true;
        // What has the very priority of a place may run before it or after it.
        return there.some((one) => one >= place.priority && one <= next.priority);
      });
      return detail === 'all' ? used : [...new Set([...used.slice(0, 1), ...used.slice(-1)])];
    }),
  );
}

function everyHook(): HookDemand['ipv4'] {
  return Object.fromEntries(HOOK_NAMES.map((hook) => [hook, UNKNOWN_PRIORITIES]));
}
