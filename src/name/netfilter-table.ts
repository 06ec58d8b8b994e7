import type { Hook } from '../model/records.js';

/** enum nf_inet_hooks (include/uapi/linux/netfilter.h), by number. */
export const HOOK_NAMES: readonly Hook[] = [
  'prerouting',
  'input',
  'forward',
  'output',
  'postrouting',
];

/**
 * The places where hops are seen in each hook, in order, and the table that runs
 * right behind each: the one that did it when a packet is dropped there
 * (enum nf_ip_hook_priorities, include/uapi/linux/netfilter_ipv4.h).
 */
export const OBSERVED_PRIORITIES: Readonly<
  Record<Hook, readonly { readonly priority: number; readonly next: string | null }[]>
> = {
  prerouting: [
    { priority: -301, next: 'raw' },
    { priority: -151, next: 'mangle' },
    { priority: -101, next: 'nat' },
    { priority: -99, next: null },
  ],
  input: [
    { priority: -151, next: 'mangle' },
    { priority: -1, next: 'filter' },
    { priority: 1, next: null },
    { priority: 101, next: null },
  ],
  forward: [
    { priority: -151, next: 'mangle' },
    { priority: -1, next: 'filter' },
    { priority: 1, next: null },
  ],
  output: [
    { priority: -301, next: 'raw' },
    { priority: -151, next: 'mangle' },
    { priority: -101, next: 'nat' },
    { priority: -99, next: 'filter' },
    { priority: 1, next: null },
  ],
  postrouting: [
    { priority: -151, next: 'mangle' },
    { priority: 97, next: 'nat' },
    { priority: 101, next: null },
  ],
};

/** The table between the observation at `priority` and the next one, or null. */
export function tableAfter(hook: Hook, priority: number): string | null {
  return OBSERVED_PRIORITIES[hook].find((p) => p.priority === priority)?.next ?? null;
}
