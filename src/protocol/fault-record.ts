import * as v from 'valibot';
import { boolean, type Infer, number, string } from './scalars.js';

/** A fault of MTU or encapsulation, as `hopscope mtu` reports it: add to it, never rename in it. */

/** Those of the configuration, then those that only packets show. */
export const FAULT_IDS = [
  ...(['pod-mtu-above-tunnel', 'tunnel-mtu-above-underlay', 'tunnel-on-other-device'] as const),
  ...(['veth-ends-differ', 'bridge-port-differs', 'bond-or-vlan-differs', 'nodes-differ'] as const),
  ...(['nopmtudisc', 'icmp-dropped', 'pmtu-cache-poisoned', 'route-mtu-disagrees'] as const),
  ...(['mss-not-clamped', 'mss-too-big', 'mtu-wasted', 'icmp-not-translated'] as const),
  ...(['blackhole', 'bad-outer-checksum', 'fragments'] as const),
] as const;
export type FaultId = (typeof FAULT_IDS)[number];

/**
 * `error`: packets are or will be lost. `warning`: it works by luck or by fragments. `note`: bytes
 * are wasted.
 */
export const SEVERITIES = ['error', 'warning', 'note'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** What a finding rests on: configuration that was read, or packets. */
export const EVIDENCE = ['device', 'route', 'rule', 'seen'] as const;
export type Evidence = (typeof EVIDENCE)[number];

const faultDeviceSchema = v.object({ netns: string, dev: string });
export type FaultDevice = Infer<typeof faultDeviceSchema>;

/** Numbers in bytes, and words where it is no number. */
const faultValuesSchema = v.record(string, v.nullable(v.union([number, string, boolean])));
export type FaultValues = Infer<typeof faultValuesSchema>;

export const faultRecordSchema = v.object({
  type: v.literal('fault'),
  id: v.picklist(FAULT_IDS),
  severity: v.picklist(SEVERITIES),
  netns: string,
  dev: v.nullable(string),
  /** The device it does not fit with; null where there is none. */
  peer: v.nullable(faultDeviceSchema),
  found: faultValuesSchema,
  expected: faultValuesSchema,
  because: string,
  evidence: v.array(v.picklist(EVIDENCE)),
  /** Flows that it hits; null where no flows were watched. */
  flows: v.nullable(number),
  /** Ids of some of them; absent where no flows were watched. */
  flowIds: v.exactOptional(v.array(string)),
  /** The command that corrects it, for a POSIX shell. */
  remedy: string,
});
export type FaultRecord = Infer<typeof faultRecordSchema>;
