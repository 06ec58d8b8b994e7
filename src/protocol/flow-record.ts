import * as v from 'valibot';
import {
  directionSchema,
  encapsulationTypeSchema,
  hookSchema,
  pathVerdictSchema,
  stageSchema,
} from './enumerations.js';
import { latencyRecordSchema } from './latency-record.js';
import { flowMtuRecordSchema, mtuEvidenceRecordSchema } from './mtu-record.js';
import { tupleRecordSchema } from './path-record.js';
import { decimal, type Infer, number, string } from './scalars.js';
import { tcpHealthRecordSchema } from './tcp-record.js';

export const legRecordSchema = v.object({
  direction: directionSchema,
  node: v.nullable(string),
  netns: string,
  dev: v.nullable(string),
  /** rtnetlink link kind, `null` for hardware. */
  kind: v.exactOptional(v.nullable(string)),
  stage: stageSchema,
  hook: v.nullable(hookSchema),
  packets: decimal,
  bytes: decimal,
  /** Time since the leg before it; `null` for a first leg. */
  latencyNs: v.nullable(latencyRecordSchema),
});
export type LegRecord = Infer<typeof legRecordSchema>;

export const endpointRecordSchema = v.object({
  name: v.nullable(string),
  kind: v.nullable(v.picklist(['pod', 'node', 'service', 'external'])),
  node: v.nullable(string),
  /** What Kubernetes says besides; each absent where it is not known. */
  namespace: v.exactOptional(string),
  /** What made a pod, such as `Deployment/nginx`. */
  workload: v.exactOptional(string),
  labels: v.exactOptional(v.record(string, string)),
  /** Set where who gave the name has not been heard of for a while. */
  stale: v.exactOptional(v.literal(true)),
});
export type EndpointRecord = Infer<typeof endpointRecordSchema>;

export const encapsulationRecordSchema = v.object({
  type: encapsulationTypeSchema,
  src: string,
  dst: string,
  vni: v.nullable(number),
  /** Of GRE, where it has one (RFC 2890). */
  key: v.exactOptional(number),
  overhead: number,
});
export type EncapsulationRecord = Infer<typeof encapsulationRecordSchema>;

/** Packets of one direction as the kernel counted them; their difference was lost in between. */
export const countedRecordSchema = v.object({
  /** At the device nearest to the source. */
  source: decimal,
  /** At the device furthest from it; `null` where the direction is counted once only. */
  destination: v.nullable(decimal),
});
export type CountedRecord = Infer<typeof countedRecordSchema>;

export const flowRecordSchema = v.object({
  type: v.literal('flow'),
  id: string,
  state: string,
  /** Set where it has ended and is kept for readers. */
  ended: v.exactOptional(v.literal(true)),
  start: decimal,
  last: decimal,
  original: tupleRecordSchema,
  reply: v.nullable(tupleRecordSchema),
  nat: v.object({
    dnat: v.nullable(
      v.object({
        dst: string,
        dport: v.nullable(number),
      }),
    ),
    snat: v.nullable(
      v.object({
        src: string,
        sport: v.nullable(number),
      }),
    ),
  }),
  src: endpointRecordSchema,
  dst: endpointRecordSchema,
  service: v.nullable(string),
  packets: v.object({
    original: decimal,
    reply: decimal,
  }),
  bytes: v.object({
    original: decimal,
    reply: decimal,
  }),
  /** `null` where the kernel's counter has not met the flow, or one direction of it. */
  counted: v.exactOptional(
    v.nullable(
      v.object({
        original: v.nullable(countedRecordSchema),
        reply: v.nullable(countedRecordSchema),
      }),
    ),
  ),
  legs: v.array(legRecordSchema),
  encapsulation: v.array(encapsulationRecordSchema),
  mtu: flowMtuRecordSchema,
  /** Absent in records of older versions. */
  mtuEvidence: v.exactOptional(mtuEvidenceRecordSchema),
  drops: v.object({
    original: decimal,
    reply: decimal,
    reasons: v.record(string, string),
  }),
  /** First hop to last of each direction's paths that were not dropped. */
  latencyNs: v.exactOptional(
    v.object({
      original: v.nullable(latencyRecordSchema),
      reply: v.nullable(latencyRecordSchema),
    }),
  ),
  sampled: v.object({
    paths: decimal,
    of: decimal,
  }),
  lost: decimal,
  /** `null` for what is not TCP, and where no segment was traced; absent in records of older versions. */
  tcp: v.exactOptional(v.nullable(tcpHealthRecordSchema)),
  /**
   * Ids of the flow that a proxy opened this one for, and of those it opened for this
   * one: only where the proxy was seen doing so. Either may have left the table.
   */
  proxied: v.object({
    from: v.nullable(string),
    to: v.array(string),
  }),
  /** What became of the newest packet. */
  verdict: pathVerdictSchema,
});
export type FlowRecord = Infer<typeof flowRecordSchema>;
