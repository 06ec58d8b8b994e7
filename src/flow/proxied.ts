import type { Received } from '../join/proxy-linker.js';
import type { Bindings } from './bindings.js';
import { ORIGINAL } from './direction-index.js';
import type { Flow } from './flow.js';
import type { FlowCounters } from './flow-counters.js';
import { PROXIED_BYTES } from './flow-size.js';

/** Connections that one was the cause of and that are remembered, the newest. */
export const PROXIED_LIMIT = 32;

/**
 * Links a flow to the one because of which a process opened it.
 *
 * @returns the flow that was the cause, when it is known; it has changed
 */
export function linkProxied(
  bindings: Bindings,
  flow: Flow,
  cause: Received,
  counters: FlowCounters,
): Flow | null {
  const row = bindings.find(cause.tuple, cause.netns);
  if (row < 0 || bindings.direction(row, cause.tuple) !== ORIGINAL) {
    return null;
  }
  const first = bindings.flow(row);
  if (first.is(flow) || flow.proxiedFrom !== null) {
    return null;
  }
  const { id } = flow;
  const own = flow.makeTraced();
  const its = first.makeTraced();
  its.proxiedTo ??= [];
  if (its.proxiedTo.length >= PROXIED_LIMIT) {
    its.proxiedTo.shift();
    counters.proxiedRefused += 1;
  } else {
    its.bytes += PROXIED_BYTES;
  }
  its.proxiedTo.push(id);
  own.proxiedFrom = first.id;
  own.bytes += PROXIED_BYTES;
  return first;
}
