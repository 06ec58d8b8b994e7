import { type Device, deviceKey, type Machine } from '../../network/machine.js';
import { setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { traceWay } from '../trace.js';
import { remoteTunnel } from '../tunnel-ends.js';
import type { TunnelWay } from '../tunnel-ways.js';
import { deviceText, type Finding, faultDevice } from './finding.js';
import { largestSent } from './largest-sent.js';

/** The two ends of one tunnel have different MTUs: one sends what the other end does not pass on. */
export function findNodesDiffer({ machine, tunnels }: AuditInput): Finding[] {
  const rooms = new Map<string, number>();
  for (const { device, room } of tunnels) {
    const key = deviceKey(device);
    rooms.set(key, Math.min(rooms.get(key) ?? room, room));
  }
  const seen = new Set<string>();
  return tunnels.flatMap((way): Finding[] => {
    const far = farEnd(machine, way);
    if (far === null || far.link.mtu === way.device.link.mtu) return [];
    const pair = [deviceKey(way.device), deviceKey(far)].sort().join(' ');
    if (seen.has(pair)) return [];
    seen.add(pair);
    const [odd, other] = inOrder(way.device, far, rooms);
    const [large, small] = odd.link.mtu > other.link.mtu ? [odd, other] : [other, odd];
    if ((largestSent(machine, large) ?? 0) <= small.link.mtu) return [];
    return [
      {
        id: 'nodes-differ',
        severity: 'warning',
        ...faultDevice(odd),
        peer: faultDevice(other),
        found: { mtu: odd.link.mtu },
        expected: { mtu: other.link.mtu },
        because:
          `they are the ends of one tunnel: ${deviceText(large)} sends packets of up to ` +
          `${large.link.mtu}, and what ${deviceText(small)} leads to is made for ${small.link.mtu}`,
        evidence: ['device'],
        remedy: setMtu(odd.namespace, odd.link.name, other.link.mtu),
      },
    ];
  });
}

/** First the one that is not what its own underlay leaves; in doubt the larger one. */
function inOrder(
  a: Device,
  b: Device,
  rooms: ReadonlyMap<string, number>,
): readonly [Device, Device] {
  const fitsA = rooms.get(deviceKey(a)) === a.link.mtu;
  const fitsB = rooms.get(deviceKey(b)) === b.link.mtu;
  if (fitsA !== fitsB) return fitsA ? [b, a] : [a, b];
  return a.link.mtu > b.link.mtu ? [a, b] : [b, a];
}

/** The device at the other end, where outer packets are seen to arrive. */
export function farEnd(machine: Machine, way: TunnelWay): Device | null {
  const { device, tunnel, endpoint, outer } = way;
  if (endpoint === null) return null;
  const { end, last } = traceWay(machine, {
    namespace: outer.namespace,
    dst: endpoint,
    src: tunnel.local?.family === endpoint.family ? tunnel.local : null,
    ...{ mark: tunnel.mark, incoming: 'lo', outgoing: tunnel.device },
  });
  if (end !== 'delivered') return null;
  const far = remoteTunnel(machine, device, last, endpoint);
  return far === null || deviceKey(far) === deviceKey(device) ? null : far;
}
