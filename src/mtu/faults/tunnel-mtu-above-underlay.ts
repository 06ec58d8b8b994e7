import { addressText } from '../../network/ip-address.js';
import { deviceKey, type Machine } from '../../network/machine.js';
import { setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { layersOf } from '../overhead.js';
import type { TunnelWay } from '../tunnel-ways.js';
import { type Finding, faultDevice } from './finding.js';
import { largestSent } from './largest-sent.js';

/** A tunnel's MTU with its headers is more than what carries the outer packet. */
export function findTunnelMtuAboveUnderlay({ machine, tunnels }: AuditInput): Finding[] {
  return overfull(machine, tunnels).map(({ way, sent }) => {
    const { device, outer, room, endpoint, routeMtu } = way;
    const byRoute = routeMtu !== null && routeMtu < outer.link.mtu;
    return {
      id: 'tunnel-mtu-above-underlay',
      severity: isFragmented(way) ? 'warning' : 'error',
      netns: device.namespace.name,
      dev: device.link.name,
      peer: faultDevice(outer),
      found: { mtu: device.link.mtu },
      expected: { mtu: room },
      because:
        `${headersText(way)} make a packet of ${sent} one of ${sent + way.overhead}, and ` +
        (byRoute ? `the route by ${outer.link.name}` : outer.link.name) +
        (endpoint === null ? '' : ` towards ${addressText(endpoint)}`) +
        ` has room for ${room + way.overhead}`,
      evidence: byRoute ? ['device', 'route'] : ['device'],
      remedy: setMtu(device.namespace, device.link.name, room),
    };
  });
}

/** Whether the outer packet may be fragmented: then it arrives, in fragments. */
export function isFragmented({ tunnel }: TunnelWay): boolean {
  return tunnel.kind === 'wireguard' || tunnel.df === 'unset' || tunnel.ignoresDf;
}

/** Tunnels that are given larger packets than their narrowest way has room for. */
export function overfull(
  machine: Machine,
  tunnels: readonly TunnelWay[],
): { readonly way: TunnelWay; readonly sent: number }[] {
  return narrowest(tunnels).flatMap((way) => {
    const sent = largestSent(machine, way.device);
    return sent !== null && sent > way.room ? [{ way, sent }] : [];
  });
}

/** Of the ways of each tunnel the one with the least room. */
export function narrowest(ways: readonly TunnelWay[]): TunnelWay[] {
  const least = new Map<string, TunnelWay>();
  for (const way of ways) {
    const key = deviceKey(way.device);
    const known = least.get(key);
    if (known === undefined || way.room < known.room) least.set(key, way);
  }
  return [...least.values()];
}

/** `IPv4 (20) and GRE (4)`. */
function headersText({ tunnel, endpoint }: TunnelWay): string {
  const layers = layersOf(tunnel, endpoint?.family ?? 4) ?? [];
  const texts = layers.map(({ name, bytes }) => `${name} (${bytes})`);
  const last = texts.pop() ?? 'its headers';
  return texts.length === 0 ? last : `${texts.join(', ')} and ${last}`;
}
