import type { NextHop } from '../network/description.js';
import type { IpAddress } from '../network/ip-address.js';
import { type Device, isSameDevice, type Machine, type Namespace } from '../network/machine.js';
import type { RouteKey } from '../network/route-table.js';
import { crossWire } from './cross-wire.js';
import { overheadOf } from './overhead.js';
import type { LimitKind, Step, Trace, WayEnd } from './step.js';
import { endpointFor, outerKey, remoteTunnel } from './tunnel-ends.js';

/** Devices and namespaces that one packet passes, tunnels in tunnels included. */
const STEPS_LIMIT = 64;
const TUNNELS_LIMIT = 4;

/** A packet as it is looked up. */
export interface Start extends RouteKey {
  readonly namespace: Namespace;
}

interface Inside {
  readonly overhead: number;
  readonly tunnels: readonly Device[];
  readonly steps: Step[];
}

/** Follows a packet as routes, bridges, wires and tunnels would lead it. */
export function traceWay(machine: Machine, start: Start): Trace {
  const steps: Step[] = [];
  const end = follow(machine, start, { overhead: 0, tunnels: [], steps });
  return { steps, ...end };
}

type End = Pick<Trace, 'end' | 'last'>;

function follow(machine: Machine, start: Start, inside: Inside): End {
  const { dst, src } = start;
  let { namespace, mark, incoming, outgoing } = start;
  while (inside.steps.length < STEPS_LIMIT) {
    const end = (how: WayEnd): End => ({ end: how, last: namespace });
    if (namespace.owns(dst)) return end('delivered');
    if (incoming !== 'lo' && !namespace.description.forwards[dst.family]) return end('refused');
    const found = namespace.find({ dst, src, mark, incoming, outgoing });
    if (found === null) return end('unknown');
    if (found.route.type === 'local') return end('delivered');
    const link = namespace.link(found.hop?.ifindex ?? null);
    if (found.route.type !== 'unicast' || found.hop === null || link === null) {
      return end('refused');
    }
    const device = { namespace, link };
    // Routes that lead in circles: what happens there is not in the routes (tc, XDP, a proxy).
    if (inside.steps.some((step) => step.kind === 'device' && isSameDevice(step.device, device))) {
      return end('unknown');
    }
    const add = (at: Device, kind: LimitKind, mtu: number): void => {
      const { overhead, tunnels } = inside;
      inside.steps.push({ device: at, kind, room: mtu - overhead, tunnels });
    };
    if (found.route.mtu !== null) add(device, 'route', found.route.mtu);
    add(device, 'device', link.mtu);
    const next =
      link.tunnel === null ? null : throughTunnel(machine, device, dst, found.hop, inside);
    if (next !== null) {
      if ('end' in next) return next;
      namespace = next.namespace;
      incoming = next.link.name;
    } else {
      const crossed = crossWire(machine, device, found.hop.via ?? dst);
      for (const { device: at, kind } of crossed.steps) add(at, kind, at.link.mtu);
      if (crossed.to === null) return end(crossed.end);
      namespace = crossed.to.namespace;
      incoming = crossed.to.link.name;
    }
    mark = 0;
    outgoing = null;
  }
  return { end: 'unknown', last: namespace };
}

/** The tunnel's device at the far end, or how the outer packet ended. */
function throughTunnel(
  machine: Machine,
  device: Device,
  dst: IpAddress,
  hop: NextHop,
  inside: Inside,
): Device | End {
  const { link, namespace } = device;
  const { tunnel } = link;
  const unknown: End = { end: 'unknown', last: namespace };
  const underlay = machine.namespace(link.underlay);
  if (tunnel === null || underlay === null || inside.tunnels.length >= TUNNELS_LIMIT) {
    return unknown;
  }
  const endpoint = endpointFor(device, dst, hop);
  const bytes = endpoint === null ? null : overheadOf(tunnel, endpoint.family);
  if (endpoint === null || bytes === null) return unknown;
  const outer = follow(
    machine,
    { namespace: underlay, ...outerKey(tunnel, endpoint) },
    {
      overhead: inside.overhead + bytes,
      tunnels: [...inside.tunnels, device],
      steps: inside.steps,
    },
  );
  if (outer.end !== 'delivered') return outer;
  return (
    remoteTunnel(machine, device, outer.last, endpoint) ?? { end: 'unknown', last: outer.last }
  );
}
