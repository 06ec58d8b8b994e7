/** Standard priorities of the kernel's tables: include/uapi/linux/netfilter_ipv4.h. */
const TABLES: readonly (readonly [priority: number, name: string])[] = [
  [-400, 'defragmentation'],
  [-300, 'raw'],
  [-200, 'conntrack'],
  [-150, 'mangle'],
  [-100, 'nat'],
  [0, 'filter'],
  [50, 'security'],
  [100, 'nat'],
];

/** Tables run after the first observation and before the second, both of one hook. */
export function tablesBetween(from: number, to: number): string[] {
  return TABLES.filter(([priority]) => priority > from && priority < to).map(([, name]) => name);
}

/** Which tables an observation at this priority comes after and before. */
export function priorityHelp(priority: number): string {
  const after = TABLES.findLast(([at]) => at < priority)?.[1];
  const at = TABLES.find(([table]) => table === priority)?.[1];
  const before = TABLES.find(([table]) => table > priority)?.[1];
  return [
    after === undefined ? null : `after ${after}`,
    at === undefined ? null : `at ${at}`,
    before === undefined ? null : `before ${before}`,
  ]
    .filter((part) => part !== null)
    .join(', ');
}
