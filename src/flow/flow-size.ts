import { PAIR_BYTES } from '../join/tuple-pairs.js';
import { BINDING_BYTES } from './bindings.js';
import type { Flow } from './flow.js';
import { DOUBLES, KEYS, WORDS } from './flow-block.js';

/** Its numbers, and its places in the tables. */
const FLOW_BYTES = DOUBLES * 8 + WORDS * 4 + 8;
/** A binding, and the pair of tuples that it is of. */
const KEY_BYTES = BINDING_BYTES + PAIR_BYTES;
/**
 * What V8 takes for a byte that is alive in objects which come and go one by one: of 80 MB of its
 * old space, 49 were alive after a flood of traced flows and a collection.
 */
export const HEAP_FACTOR = 1.6;
/** A leg, and the histogram that it has from its second hop on. */
export const LEG_BYTES = 72 + 104;
export const ENCAPSULATION_BYTES = 120;
export const REASON_BYTES = 64;
export const PROXIED_BYTES = 48;

/**
 * Bytes that a flow takes, its share of tables and tuples included, its recent paths not
 * (they have a limit of their own). An estimate: what V8 of Node 20 takes for these objects
 * on 64 bits, as measured in test/flow/flow-size.test.ts.
 */
export function estimatedBytes(flow: Flow): number {
  return numbersBytes(flow) + Math.ceil((flow.traced?.bytes ?? 0) * HEAP_FACTOR);
}

/** What of it is in typed arrays. */
export function numbersBytes(flow: Flow): number {
  // One that has ended is found by no tuple, and holds its own two still.
  const tuples = flow.hasEnded ? 2 * PAIR_BYTES : flow.wordAt(KEYS) * KEY_BYTES;
  return FLOW_BYTES + tuples;
}
