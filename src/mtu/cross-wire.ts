import type { IpAddress } from '../network/ip-address.js';
import { type Device, isSameDevice, type Machine } from '../network/machine.js';
import type { LimitKind, WayEnd } from './step.js';

/** Bridges that are passed one after the other. */
const BRIDGES_LIMIT = 8;

export interface CrossedDevice {
  readonly device: Device;
  readonly kind: LimitKind;
}

/** What a frame passes on its way to the next namespace, and the device that it arrives at there. */
export interface Crossed {
  readonly steps: readonly CrossedDevice[];
  readonly to: Device | null;
  /** Where `to` is null. */
  readonly end: WayEnd;
}

/**
 * Follows a frame from the device that sends it.
 *
 * @param next address of the router or host that it is meant for
 */
export function crossWire(machine: Machine, device: Device, next: IpAddress): Crossed {
  const { link } = device;
  if (link.kind === 'bridge') {
    return throughBridge(machine, device, null, next, new Set()) ?? nowhere([]);
  }
  if (link.kind === 'veth') return alongVeth(machine, device, next, new Set()) ?? nowhere([]);
  if (link.kind === 'bond' || link.kind === 'team') {
    const ports = device.namespace.ports(link.ifindex).filter(({ isUp }) => isUp);
    const narrowest = ports.reduce((a, b) => (b.mtu < a.mtu ? b : a), ports[0] ?? link);
    const step = { device: { ...device, link: narrowest }, kind: 'port' } as const;
    return { steps: ports.length === 0 ? [] : [step], to: null, end: 'leaves' };
  }
  const below = machine.other(device);
  if (below !== null) {
    const end = below.link.kind === null ? 'leaves' : 'unknown';
    return { steps: [{ device: below, kind: 'below' }], to: null, end };
  }
  return { steps: [], to: null, end: link.kind === null ? 'leaves' : 'unknown' };
}

function nowhere(steps: readonly CrossedDevice[]): Crossed {
  return { steps, to: null, end: 'unknown' };
}

/** Null where a bridge at the other end does not lead to the address. */
function alongVeth(
  machine: Machine,
  device: Device,
  next: IpAddress,
  passed: Set<string>,
): Crossed | null {
  const other = machine.other(device);
  if (other === null || !other.link.isUp) return nowhere([]);
  const steps: CrossedDevice[] = [{ device: other, kind: 'peer' }];
  const bridge = bridgeOf(other);
  if (bridge === null) return { steps, to: other, end: 'unknown' };
  const further = throughBridge(machine, bridge, other, next, passed);
  return further === null ? null : { ...further, steps: [...steps, ...further.steps] };
}

function bridgeOf({ namespace, link }: Device): Device | null {
  const master = namespace.link(link.master);
  return master?.kind === 'bridge' ? { namespace, link: master } : null;
}

/**
 * The port that leads to who has the address; where nobody is known to have it, the one port that
 * leaves this machine, if there is one.
 */
function throughBridge(
  machine: Machine,
  bridge: Device,
  from: Device | null,
  next: IpAddress,
  passed: Set<string>,
): Crossed | null {
  const { namespace, link } = bridge;
  const key = `${namespace.netns}/${link.ifindex}`;
  if (passed.has(key) || passed.size >= BRIDGES_LIMIT) return null;
  passed.add(key);
  if (from !== null && namespace.owns(next)) return { steps: [], to: bridge, end: 'unknown' };
  let exit: Device | null = null;
  for (const each of namespace.ports(link.ifindex)) {
    const port = { namespace, link: each };
    if (!each.isUp || (from !== null && isSameDevice(port, from))) continue;
    if (each.kind === null) exit = port;
    const other = each.kind === 'veth' ? machine.other(port) : null;
    if (other === null) continue;
    if (bridgeOf(other) === null && !other.namespace.owns(next)) continue;
    const further = alongVeth(machine, port, next, passed);
    if (further?.to != null) {
      return { ...further, steps: [{ device: port, kind: 'port' }, ...further.steps] };
    }
  }
  if (exit === null) return null;
  return { steps: [{ device: exit, kind: 'port' }], to: null, end: 'leaves' };
}
