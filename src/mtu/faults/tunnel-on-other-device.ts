import { addressText, type Family } from '../../network/ip-address.js';
import { type Device, isSameDevice, type Namespace } from '../../network/machine.js';
import { isDefault, MAIN_TABLE } from '../../network/route.js';
import { setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { type Finding, faultDevice } from './finding.js';
import { isFragmented, overfull } from './tunnel-mtu-above-underlay.js';

/** A tunnel's MTU fits the default route's device, and its outer packets take another one. */
export function findTunnelOnOtherDevice({ machine, tunnels }: AuditInput): Finding[] {
  return overfull(machine, tunnels).flatMap(({ way }): Finding[] => {
    const { device, outer, overhead, room, endpoint } = way;
    if (endpoint === null) return [];
    const standard = defaultDevice(outer.namespace, endpoint.family);
    if (standard === null || isSameDevice(standard, outer)) return [];
    if (device.link.mtu > standard.link.mtu - overhead) return [];
    return [
      {
        id: 'tunnel-on-other-device',
        severity: isFragmented(way) ? 'warning' : 'error',
        ...faultDevice(device),
        peer: faultDevice(outer),
        found: { mtu: device.link.mtu, fits: standard.link.name },
        expected: { mtu: room, fits: outer.link.name },
        because:
          `its MTU fits ${standard.link.name} (${standard.link.mtu}), which has the default ` +
          `route; packets for ${addressText(endpoint)} leave by ${outer.link.name}, which has ` +
          `room for ${room + overhead}`,
        evidence: ['device', 'route'],
        remedy: setMtu(device.namespace, device.link.name, room),
      },
    ];
  });
}

function defaultDevice(namespace: Namespace, family: Family): Device | null {
  const routes = namespace.description.routes.filter(
    (route) => isDefault(route) && route.dst.family === family && route.table === MAIN_TABLE,
  );
  const [first] = routes.sort((a, b) => a.priority - b.priority);
  const link = namespace.link(first?.hops[0]?.ifindex ?? null);
  return link === null ? null : { namespace, link };
}
