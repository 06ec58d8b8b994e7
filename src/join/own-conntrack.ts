import type { Headers } from './headers.js';
import type { HopColumns } from './hop-columns.js';

/**
 * The next hop of a path at which its innermost packet itself has a conntrack entry: inside a
 * tunnel the entry is the tunnel's.
 *
 * @param from the first hop that is looked at
 * @returns the index of the hop, or -1
 */
export function nextOwnConntrack(columns: HopColumns, from: number): number {
  const { headers, ct, length } = columns;
  for (let i = from; i < length; i++) {
    if (ct[i] !== null && (headers[i] as Headers).outer === null) {
      return i;
    }
  }
  return -1;
}
