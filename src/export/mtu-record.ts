import type { FaultRecord, WayLimitRecord, WayRecord } from 'hopscope-protocol';
import type { Finding } from '../mtu/faults/finding.js';
import type { Step } from '../mtu/step.js';
import { sentBy, type Way } from '../mtu/ways.js';
import { addressText, prefixText } from '../network/ip-address.js';

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
