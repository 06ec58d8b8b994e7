import type { Tunnel } from '../network/description.js';
import { type IpAddress, isMulticast } from '../network/ip-address.js';
import { type Device, isSameDevice, type Machine } from '../network/machine.js';
import { overheadOf } from './overhead.js';
import { traceWay } from './trace.js';
import { endpointsOf, outerKey, remoteTunnel } from './tunnel-ends.js';

/** How the outer packets of a tunnel leave for one other end. */
export interface TunnelWay {
  readonly device: Device;
  readonly tunnel: Tunnel;
  /** Null for a multicast group. */
  readonly endpoint: IpAddress | null;
  readonly outer: Device;
  /** The device at the other end, where outer packets are seen to arrive. */
  readonly far: Device | null;
  /** Of the route to the other end, where it has one of its own. */
  readonly routeMtu: number | null;
  /** Whether no router is between, as far as the route says. */
  readonly isDirect: boolean;
  /** Bytes of headers. */
  readonly overhead: number;
  /** Bytes of the largest inner packet that fits one outer packet. */
  readonly room: number;
}

export interface TunnelWays {
  readonly tunnels: readonly TunnelWay[];
  /** Other ends past the limit. */
  readonly leftOut: number;
}

/** Of each tunnel that is up and has somewhere to send. */
export function findTunnelWays(machine: Machine): TunnelWays {
  const tunnels: TunnelWay[] = [];
  let leftOut = 0;
  for (const device of machine.devices()) {
    const { tunnel, isUp } = device.link;
    if (tunnel === null || !isUp) continue;
    const ends = endpointsOf(device);
    leftOut += ends.leftOut;
    for (const endpoint of ends.endpoints) {
      const way = towards(machine, device, tunnel, endpoint);
      if (way !== null) tunnels.push(way);
    }
    const group = groupWay(machine, device, tunnel);
    if (group !== null) tunnels.push(group);
  }
  return { tunnels, leftOut };
}

function towards(
  machine: Machine,
  device: Device,
  tunnel: Tunnel,
  endpoint: IpAddress,
): TunnelWay | null {
  const underlay = machine.namespace(device.link.underlay);
  const overhead = overheadOf(tunnel, endpoint.family);
  // The other end is here: nothing is sent.
  if (underlay === null || overhead === null || underlay.owns(endpoint)) return null;
  const key = outerKey(tunnel, endpoint);
  const found = underlay.find(key);
  const link = underlay.link(found?.hop?.ifindex ?? null);
  if (found === null || found.route.type !== 'unicast' || link === null || !found.isCertain) {
    return null;
  }
  const outer = { namespace: underlay, link };
  // A route into itself is no underlay.
  if (underlay === device.namespace && link.ifindex === device.link.ifindex) return null;
  const routeMtu = found.route.mtu;
  const room = Math.min(routeMtu ?? link.mtu, link.mtu) - overhead;
  const isDirect = found.hop?.via === null;
  const { end, last } = traceWay(machine, { namespace: underlay, ...key });
  const arrived = end === 'delivered' ? remoteTunnel(machine, device, last, endpoint) : null;
  const far = arrived === null || isSameDevice(arrived, device) ? null : arrived;
  return { device, tunnel, endpoint, outer, far, routeMtu, isDirect, overhead, room };
}

function groupWay(machine: Machine, device: Device, tunnel: Tunnel): TunnelWay | null {
  const underlay = machine.namespace(device.link.underlay);
  const link = underlay?.link(tunnel.device) ?? null;
  if (underlay === null || link === null) return null;
  if (tunnel.remote === null || !isMulticast(tunnel.remote)) return null;
  const overhead = overheadOf(tunnel, tunnel.remote.family);
  if (overhead === null) return null;
  return {
    ...{ device, tunnel, endpoint: null, outer: { namespace: underlay, link }, far: null },
    ...{ routeMtu: null, isDirect: true, overhead, room: link.mtu - overhead },
  };
}
