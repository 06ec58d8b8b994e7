import { deviceKey, isSameDevice } from '../../network/machine.js';
import { inTurn, setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import type { Step } from '../step.js';
import { sentBy, type Way } from '../ways.js';
import { deviceText, type Finding, faultDevice } from './finding.js';

/** A pod sends packets that a tunnel on its way has no room for. */
export function findPodMtuAboveTunnel({ ways, tunnels }: AuditInput): Finding[] {
  const worst = new Map<string, { way: Way; tunnel: Step; sent: number }>();
  for (const way of ways) {
    const sent = sentBy(way);
    for (const step of way.trace.steps) {
      if (step.device.link.tunnel === null || step.room >= sent) continue;
      // What is inside of the tunnel's own packets is a matter of the tunnel.
      if (step.tunnels.length > 0) continue;
      const key = `${deviceKey(way.pod.device)} ${deviceKey(step.device)}`;
      const known = worst.get(key);
      if (known === undefined || step.room < known.tunnel.room) {
        worst.set(key, { way, tunnel: step, sent });
      }
    }
  }
  const fitting = new Map<string, number>();
  for (const { way, tunnel } of worst.values()) {
    const key = deviceKey(way.pod.device);
    fitting.set(key, Math.min(fitting.get(key) ?? tunnel.room, tunnel.room));
  }
  return [...worst.values()].map(({ way, tunnel, sent }) => {
    const { device, hostEnd } = way.pod;
    // What fits every tunnel of the pod.
    const mtu = fitting.get(deviceKey(device)) ?? tunnel.room;
    const outer = tunnels.find((each) => isSameDevice(each.device, tunnel.device));
    const name = tunnel.device.link.name;
    const adds =
      outer === undefined
        ? `${name} lets packets of at most ${tunnel.room} pass`
        : `${name} adds ${outer.overhead} bytes to packets of at most ` +
          `${outer.room + outer.overhead} on ${outer.outer.link.name}`;
    const limit =
      outer === undefined || outer.room === tunnel.room
        ? ''
        : `; ${deviceText(tunnel.device)} passes ${tunnel.room}`;
    return {
      id: 'pod-mtu-above-tunnel',
      severity: 'error',
      netns: hostEnd.namespace.name,
      dev: hostEnd.link.name,
      peer: faultDevice(device),
      found: { mtu: sent },
      expected: { mtu: tunnel.room },
      because: `${adds}${limit}`,
      evidence: tunnel.kind === 'route' ? ['device', 'route'] : ['device'],
      remedy: inTurn(
        setMtu(device.namespace, device.link.name, mtu),
        setMtu(hostEnd.namespace, hostEnd.link.name, mtu),
      ),
    };
  });
}
