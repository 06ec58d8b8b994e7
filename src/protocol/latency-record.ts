import * as v from 'valibot';
import { decimal, type Infer, number } from './scalars.js';

/** Values by doublings: the first count is of those from 2^`from` to 2^(`from` + 1) nanoseconds. */
export const octavesRecordSchema = v.object({
  from: number,
  counts: v.array(number),
});
export type OctavesRecord = Infer<typeof octavesRecordSchema>;

export const latencyRecordSchema = v.object({
  count: decimal,
  p50: number,
  p90: number,
  p99: number,
  max: number,
  /** How many lie in each doubling; absent where nobody asked for it. */
  octaves: v.exactOptional(octavesRecordSchema),
});
export type LatencyRecord = Infer<typeof latencyRecordSchema>;
