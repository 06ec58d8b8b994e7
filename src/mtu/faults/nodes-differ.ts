import { type Device, deviceKey, type Machine, type Namespace } from '../../network/machine.js';
import { inTurn, setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import type { Pod } from '../pods.js';
import type { TunnelWay } from '../tunnel-ways.js';
import { sentBy, type Way } from '../ways.js';
import { deviceText, type Finding, faultDevice } from './finding.js';
import { largestSent } from './largest-sent.js';

/** Nodes that are not alike: one sends what the other does not pass on. */
export function findNodesDiffer({ machine, tunnels, ways, pods }: AuditInput): Finding[] {
  return [...differingTunnels(machine, tunnels), ...differingPods(ways, pods)];
}

/** All pods of one node send more than another node passes on to any of its pods. */
function differingPods(ways: readonly Way[], pods: readonly Pod[]): Finding[] {
  const findings = new Map<string, Finding>();
  // What a pod sends above a tunnel is an error already, with the same remedy.
  const above = new Set(ways.filter(isAboveTunnel).map(({ pod }) => pod));
  for (const way of ways) {
    const { pod, setBy, mtu } = way;
    const { hostEnd, device } = pod;
    const sent = sentBy(way);
    const at = setBy.device.namespace;
    if (sent <= mtu || above.has(pod) || setBy.tunnels.length > 0) continue;
    if (setBy.kind !== 'device' && setBy.kind !== 'route') continue;
    const near = mtusOf(pods, hostEnd.namespace);
    const far = mtusOf(pods, at);
    if (at === hostEnd.namespace || far.length === 0) continue;
    if (Math.min(...near) <= Math.max(...far)) continue;
    const key = `${hostEnd.namespace.netns} ${at.netns}`;
    if (findings.has(key)) continue;
    findings.set(key, {
      id: 'nodes-differ',
      severity: 'warning',
      ...faultDevice(hostEnd),
      peer: faultDevice(setBy.device),
      found: { mtu: sent },
      expected: { mtu },
      because:
        `${deviceText(device)} sends packets of up to ${sent}, and ${deviceText(setBy.device)} ` +
        `of another node has room for ${mtu}`,
      evidence: setBy.kind === 'route' ? ['device', 'route'] : ['device'],
      remedy: inTurn(
        setMtu(device.namespace, device.link.name, mtu),
        setMtu(hostEnd.namespace, hostEnd.link.name, mtu),
      ),
    });
  }
  return [...findings.values()];
}

function isAboveTunnel(way: Way): boolean {
  const sent = sentBy(way);
  return way.trace.steps.some(({ device, room }) => device.link.tunnel !== null && room < sent);
}

/** MTUs of the pods of a node. */
function mtusOf(pods: readonly Pod[], node: Namespace): number[] {
  return pods
    .filter(({ hostEnd }) => hostEnd.namespace === node)
    .map(({ device }) => device.link.mtu);
}

/** The two ends of one tunnel have different MTUs. */
function differingTunnels(machine: Machine, tunnels: readonly TunnelWay[]): Finding[] {
  const rooms = new Map<string, number>();
  for (const { device, room } of tunnels) {
    const key = deviceKey(device);
    rooms.set(key, Math.min(rooms.get(key) ?? room, room));
  }
  const seen = new Set<string>();
  return tunnels.flatMap((way): Finding[] => {
    const { far } = way;
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
