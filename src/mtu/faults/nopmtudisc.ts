import type { Tunnel } from '../../network/description.js';
import type { Device } from '../../network/machine.js';
import { ipCommand, setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import type { TunnelWay } from '../tunnel-ways.js';
import { type Finding, faultDevice } from './finding.js';
import { largestSent } from './largest-sent.js';
import { narrowest } from './tunnel-mtu-above-underlay.js';

/** A tunnel that does not set DF, or does not heed it: no sender is notified of a smaller MTU on its way. */
export function findNopmtudisc({ machine, tunnels }: AuditInput): Finding[] {
  return narrowest(tunnels).flatMap((way) => {
    const { tunnel, device, room } = way;
    const sent = largestSent(machine, device);
    if (sent === null) return [];
    if (tunnel.ignoresDf) return [ignoring(way)];
    if (tunnel.pmtuDiscovery !== false) return [];
    const isTooLarge = sent > room;
    // tunl0 and the like are made so by the kernel; it does no harm to a tunnel that fits.
    if (tunnel.remote === null && !isTooLarge) return [];
    return [undiscovering(way, isTooLarge)];
  });
}

function undiscovering(way: TunnelWay, isTooLarge: boolean): Finding {
  const { device, tunnel, outer, room } = way;
  const { namespace, link } = device;
  return {
    id: 'nopmtudisc',
    severity: isTooLarge ? 'error' : 'warning',
    ...faultDevice(device),
    peer: faultDevice(outer),
    found: { pmtudisc: false, mtu: link.mtu },
    expected: { pmtudisc: true, mtu: Math.min(link.mtu, room) },
    because: isTooLarge
      ? `it has room for ${link.mtu}, ${outer.link.name} for ${room} of that, and it does not ` +
        'learn of it: packets with DF set are dropped, the others are fragmented'
      : 'it does not learn of a smaller MTU on the way of its outer packets, and reports it to nobody',
    evidence: ['device'],
    remedy:
      tunnel.remote === null
        ? setMtu(namespace, link.name, room)
        : change(device, tunnel, 'pmtudisc'),
  };
}

function ignoring({ device, tunnel, outer }: TunnelWay): Finding {
  return {
    id: 'nopmtudisc',
    severity: 'warning',
    ...faultDevice(device),
    peer: faultDevice(outer),
    found: { 'ignore-df': true },
    expected: { 'ignore-df': false },
    because: 'it fragments packets that have DF set, and their sender is not notified',
    evidence: ['device'],
    remedy: change(device, tunnel, 'noignore-df'),
  };
}

function change({ namespace, link }: Device, { kind }: Tunnel, setting: string): string {
  return ipCommand(namespace, 'link', 'set', 'dev', link.name, 'type', kind, setting);
}
