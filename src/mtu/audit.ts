import type { NetworkDescription } from '../network/description.js';
import { Machine } from '../network/machine.js';
import { findBondOrVlanDiffers } from './faults/bond-or-vlan-differs.js';
import { findBridgePortDiffers } from './faults/bridge-port-differs.js';
import type { Detector, Finding } from './faults/finding.js';
import { findIcmpDropped } from './faults/icmp-dropped.js';
import { findMss } from './faults/mss.js';
import { findMtuWasted } from './faults/mtu-wasted.js';
import { findNodesDiffer } from './faults/nodes-differ.js';
import { findNopmtudisc } from './faults/nopmtudisc.js';
import { findPmtuCachePoisoned } from './faults/pmtu-cache-poisoned.js';
import { findPodMtuAboveTunnel } from './faults/pod-mtu-above-tunnel.js';
import { findRouteMtuDisagrees } from './faults/route-mtu-disagrees.js';
import { findTunnelMtuAboveUnderlay } from './faults/tunnel-mtu-above-underlay.js';
import { findTunnelOnOtherDevice } from './faults/tunnel-on-other-device.js';
import { findVethEndsDiffer } from './faults/veth-ends-differ.js';
import { dropsOf } from './firewall-verdict.js';
import { findPods } from './pods.js';
import { findTunnelWays } from './tunnel-ways.js';
import { findWays, type Way } from './ways.js';

/** Findings of one audit that are kept. */
export const FINDINGS_LIMIT = 4_096;

const DETECTORS: readonly Detector[] = [
  findPodMtuAboveTunnel,
  findTunnelMtuAboveUnderlay,
  findTunnelOnOtherDevice,
  findVethEndsDiffer,
  findBridgePortDiffers,
  findBondOrVlanDiffers,
  findNodesDiffer,
  findNopmtudisc,
  findIcmpDropped,
  findMss,
  findPmtuCachePoisoned,
  findRouteMtuDisagrees,
  findMtuWasted,
];
const ORDER = { error: 0, warning: 1, note: 2 } as const;

export interface Audit {
  readonly ways: readonly Way[];
  /** Errors first. */
  readonly findings: readonly Finding[];
  /** What is past a limit. */
  readonly leftOut: {
    readonly ways: number;
    readonly tunnelEnds: number;
    readonly findings: number;
  };
}

/** Judges what namespaces are configured as. */
export function audit(description: NetworkDescription): Audit {
  const machine = new Machine(description);
  const pods = findPods(machine);
  const { ways, leftOut } = findWays(machine, pods);
  const { tunnels, leftOut: tunnelEnds } = findTunnelWays(machine);
  const drops = new Map(machine.namespaces.map((each) => [each, dropsOf(each)]));
  const input = { machine, pods, ways, tunnels, drops };
  const all = DETECTORS.flatMap((detect) => detect(input).sort(byPlace)).sort(
    (a, b) => ORDER[a.severity] - ORDER[b.severity],
  );
  return {
    ways,
    findings: all.slice(0, FINDINGS_LIMIT),
    leftOut: { ways: leftOut, tunnelEnds, findings: Math.max(0, all.length - FINDINGS_LIMIT) },
  };
}

function byPlace(a: Finding, b: Finding): number {
  const [left, right] = [a, b].map(({ netns, dev }) => `${netns}/${dev}`) as [string, string];
  return left < right ? -1 : Number(left > right);
}
