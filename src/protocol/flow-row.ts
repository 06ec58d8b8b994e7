import * as v from 'valibot';
import { encapsulationTypeSchema, mtuVerdictSchema } from './enumerations.js';
import { TAGS_LIMIT } from './flow-tags.js';
import { boolean, decimal, type Infer, list, number, string } from './scalars.js';

/**
 * What became of a flow's packets: `lossy` means that some were dropped while the
 * newest known one was not.
 */
export const rowVerdictSchema = v.picklist([
  'delivered',
  'forwarded',
  'lossy',
  'dropped',
  'unknown',
]);
export type RowVerdict = Infer<typeof rowVerdictSchema>;

export const endpointSchema = v.object({
  address: string,
  port: v.nullable(number),
});
export type Endpoint = Infer<typeof endpointSchema>;

/** One flow as the table shows it. Rates are over a second or more, `null` when not known yet. */
export const flowRowSchema = v.object({
  id: string,
  state: string,
  /** Set where it has ended and is kept for readers. */
  ended: v.exactOptional(v.literal(true)),
  /** Wall-clock nanoseconds since the epoch. */
  start: decimal,
  last: decimal,
  proto: string,
  service: v.nullable(string),
  srcName: v.nullable(string),
  srcNode: v.nullable(string),
  src: endpointSchema,
  /** Where the source sent it. */
  dst: endpointSchema,
  dstName: v.nullable(string),
  dstNode: v.nullable(string),
  /** Whether an answer was seen; else translations are not known, whatever these two say. */
  answered: boolean,
  /** Translated destination, `null` when it stayed as sent. */
  dnat: v.nullable(endpointSchema),
  /** Translated source, `null` when it stayed as sent. */
  snat: v.nullable(endpointSchema),
  verdict: rowVerdictSchema,
  dropReason: v.nullable(string),
  drops: decimal,
  encapsulation: v.array(
    v.object({
      type: encapsulationTypeSchema,
      overhead: number,
    }),
  ),
  mtu: mtuVerdictSchema,
  packets: decimal,
  bytes: decimal,
  packetsPerSecond: v.nullable(number),
  bytesPerSecond: v.nullable(number),
  /** Nanoseconds from first to last hop in the original direction. */
  p50: v.nullable(number),
  p99: v.nullable(number),
  /** What is known of its ends, one `field:value` each: see flow-tags.ts. Absent where nothing is. */
  tags: v.exactOptional(list(string, TAGS_LIMIT)),
});
export type FlowRow = Infer<typeof flowRowSchema>;

export const rateSchema = v.object({
  packetsPerSecond: v.nullable(number),
  bytesPerSecond: v.nullable(number),
});
export type Rate = Infer<typeof rateSchema>;
