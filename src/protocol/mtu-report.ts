import * as v from 'valibot';
import { faultRecordSchema } from './fault-record.js';
import { boolean, decimal, type Infer, number, string } from './scalars.js';

/** What `hopscope mtu` reports besides faults: add to it, never rename in it. */

/** What limits a way at one place. */
const wayLimitRecordSchema = v.object({
  netns: string,
  dev: string,
  /** rtnetlink link kind, `null` for hardware. */
  kind: v.nullable(string),
  by: v.picklist(['device', 'route', 'peer', 'port', 'below']),
  /** Bytes of the largest IP packet of the pod that passes whole. */
  room: number,
  /** Names of the tunnels that it is inside of here. */
  tunnels: v.array(string),
});
export type WayLimitRecord = Infer<typeof wayLimitRecordSchema>;

/** A pod's device, a route of its node, and what fits between. */
const wayRecordSchema = v.object({
  type: v.literal('way'),
  netns: string,
  dev: string,
  /** As iproute2 writes it. */
  route: string,
  /** The address of it that was followed. */
  towards: string,
  mtu: number,
  /** Bytes of the largest packet that the pod sends there; what is above `mtu` does not fit. */
  sent: number,
  setBy: wayLimitRecordSchema,
  hops: v.array(wayLimitRecordSchema),
  end: v.picklist(['delivered', 'leaves', 'refused', 'unknown']),
});
export type WayRecord = Infer<typeof wayRecordSchema>;

/** What the same traffic would take with other headers or another MTU, computed from what was seen. */
const costAlternativeRecordSchema = v.object({
  /** `none`, `ipip`, `vxlan`, `wireguard`, or `jumbo`: an MTU of 9000 on the wire. */
  what: v.picklist(['none', 'ipip', 'vxlan', 'wireguard', 'jumbo']),
  wire: decimal,
  /** Less than now, bytes; negative where it would take more. */
  saved: decimal,
  /** The same of what it takes now. */
  percent: number,
});
export type CostAlternativeRecord = Infer<typeof costAlternativeRecordSchema>;

/** As people call them. */
export const COST_ALTERNATIVES: Readonly<Record<CostAlternativeRecord['what'], string>> = {
  none: 'no tunnel',
  ipip: 'IPIP',
  vxlan: 'VXLAN',
  wireguard: 'WireGuard',
  jumbo: 'MTU 9000',
};

/** What encapsulation costs traffic between nodes. Bytes are decimal strings. */
const costRecordSchema = v.object({
  type: v.literal('cost'),
  /** What was put together: all flows with one encapsulation, between two nodes, or one flow. */
  by: v.picklist(['encapsulation', 'nodes', 'flow']),
  /** `vxlan+50` and the like, or `none`. */
  encapsulation: string,
  /** Node pairs and flows. */
  nodes: v.nullable(v.strictTuple([string, string])),
  flow: v.nullable(string),
  flows: number,
  /** Packets on the wire: of a GSO packet its segments, by the size of one. */
  packets: decimal,
  /** Bytes of the packets without their IP and TCP or UDP headers, options counted as payload. */
  payload: decimal,
  /** Bytes on the wire: with headers, those of the tunnel, and Ethernet. */
  wire: decimal,
  /** Bytes on the wire a byte of payload; null without payload. */
  ratio: v.nullable(number),
  /** Bytes of the tunnel's headers. */
  overhead: decimal,
  alternatives: v.array(costAlternativeRecordSchema),
});
export type CostRecord = Infer<typeof costRecordSchema>;

/** What a daemon knows of encapsulation and MTUs, all in all. */
export const mtuReportSchema = v.object({
  type: v.literal('mtu'),
  faults: v.array(faultRecordSchema),
  costs: v.array(costRecordSchema),
  /** Of the newest audit; empty before the first, and where namespaces cannot be read. */
  ways: v.array(wayRecordSchema),
  /** Whether devices and routes were audited: packets alone are judged where not. */
  isAudited: boolean,
  /** Flows that were looked at. */
  flows: number,
  /** Faults, ways and flows past the limits. */
  leftOut: number,
});
export type MtuReport = Infer<typeof mtuReportSchema>;
