import type { FaultRecord } from '../model/fault.js';
import type { Finding } from '../mtu/faults/finding.js';
import type { Step } from '../mtu/step.js';
import { sentBy, type Way } from '../mtu/ways.js';
import { addressText, prefixText } from '../network/ip-address.js';

/** What limits a way at one place. */
export interface WayLimitRecord {
  readonly netns: string;
  readonly dev: string;
  /** rtnetlink link kind, `null` for hardware. */
  readonly kind: string | null;
  readonly by: Step['kind'];
  /** Bytes of the largest IP packet of the pod that passes whole. */
  readonly room: number;
  /** Names of the tunnels that it is inside of here. */
  readonly tunnels: readonly string[];
}

/** A pod's device, a route of its node, and what fits between. */
export interface WayRecord {
  readonly type: 'way';
  readonly netns: string;
  readonly dev: string;
  /** As iproute2 writes it. */
  readonly route: string;
  /** The address of it that was followed. */
  readonly towards: string;
  readonly mtu: number;
  /** Bytes of the largest packet that the pod sends there; what is above `mtu` does not fit. */
  readonly sent: number;
  readonly setBy: WayLimitRecord;
  readonly hops: readonly WayLimitRecord[];
  readonly end: Way['trace']['end'];
}

export function faultRecord(finding: Finding): FaultRecord {
  const { id, severity, netns, dev, peer, found, expected, because, evidence, remedy } = finding;
  return {
    ...{ type: 'fault', id, severity, netns, dev, peer, found, expected, because, evidence },
    // No flow was watched.
    flows: null,
    remedy,
  };
}

export function wayRecord(way: Way): WayRecord {
  const { pod, dst, towards, mtu, setBy, trace } = way;
  return {
    type: 'way',
    netns: pod.device.namespace.name,
    dev: pod.device.link.name,
    route: prefixText(dst),
    towards: addressText(towards),
    mtu,
    sent: sentBy(way),
    setBy: limitRecord(setBy),
    hops: trace.steps.map(limitRecord),
    end: trace.end,
  };
}

function limitRecord({ device, kind, room, tunnels }: Step): WayLimitRecord {
  return {
    netns: device.namespace.name,
    dev: device.link.name,
    kind: device.link.kind,
    by: kind,
    room,
    tunnels: tunnels.map(({ link }) => link.name),
  };
}
