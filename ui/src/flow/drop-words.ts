import type { DropRecord } from 'hopscope-protocol';

/** Reasons of enum skb_drop_reason that say that a copy of what had arrived was thrown away. */
const DUPLICATES: ReadonlySet<string> = new Set([
  'TCP_OLD_DATA',
  'TCP_OLD_SEQUENCE',
  'TCP_OLD_ACK',
]);

/** Whether what was dropped had arrived before: then nothing was lost. */
export function isDuplicate(drop: DropRecord | null): boolean {
  return drop?.reason != null && DUPLICATES.has(drop.reason);
}
