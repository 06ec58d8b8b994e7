import { isRouted, type Tuple } from '../join/tuple.js';
import type { Bindings } from './bindings.js';
import { ORIGINAL } from './direction-index.js';
import type { Flow } from './flow.js';
import { START_UNKNOWN } from './path-start.js';

/**
 * Between the first packets that two nodes count of one connection, and from what is known of it
 * at one place to what is known at another, ns.
 */
export const SAME_TIME_NS = 1e9;

/**
 * The row of a flow that has the tuple in another namespace and is the same connection there:
 * the only one that has it, with routed addresses, at the same time. -1 for none.
 *
 * @param flow the flow that has the tuple here; null for none
 */
export function findElsewhere(
  bindings: Bindings,
  tuple: Tuple,
  flow: Flow | null,
  isSameTime: (other: Flow) => boolean,
): number {
  const row = isRouted(tuple) ? bindings.elsewhere(tuple, flow) : -1;
  return row >= 0 && isSameTime(bindings.flow(row)) ? row : -1;
}

/** Whether two flows began together, or were seen together where a beginning was not seen. */
export function beganTogether(a: Flow, b: Flow): boolean {
  if (Math.abs(a.start - b.start) <= SAME_TIME_NS) {
    return true;
  }
  return (isStartUnknown(a) || isStartUnknown(b)) && a.start <= end(b) && b.start <= end(a);
}

/** Whether a packet of `time` was sent while the flow went on. */
export function wentOnAt(flow: Flow, time: number): boolean {
  return time >= flow.start - SAME_TIME_NS && time <= end(flow);
}

function end(flow: Flow): number {
  return flow.last + SAME_TIME_NS;
}

function isStartUnknown({ traced }: Flow): boolean {
  return traced !== null && traced.starts[ORIGINAL] === START_UNKNOWN;
}
