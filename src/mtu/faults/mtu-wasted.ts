import { type Device, deviceKey, type Namespace } from '../../network/machine.js';
import { inTurn, setMtu } from '../command-text.js';
import type { AuditInput } from '../input.js';
import type { Pod } from '../pods.js';
import type { TunnelWay } from '../tunnel-ways.js';
import { deviceText, type Finding, faultDevice } from './finding.js';

const ETHERNET_MTU = 1_500;
/** WireGuard's usual MTU leaves room for IPv6 outside, whatever is outside now. */
const WIREGUARD_OVERHEAD = 80;

/** Devices whose MTU is lower than what is below them leaves. */
export function findMtuWasted({ tunnels, pods }: AuditInput): Finding[] {
  const rooms = roomsOfTunnels(tunnels);
  const limits = new Map<Namespace, Limits>();
  for (const { hostEnd } of pods) {
    const { namespace } = hostEnd;
    if (!limits.has(namespace)) limits.set(namespace, limitsOf(namespace, rooms));
  }
  return [
    ...wastedTunnels(rooms),
    ...pods.flatMap((pod) => wastedPod(pod, limits.get(pod.hostEnd.namespace) ?? null)),
  ];
}

interface Room {
  readonly device: Device;
  readonly room: number;
  readonly outer: Device;
}

function roomsOfTunnels(ways: readonly TunnelWay[]): Map<string, Room> {
  const rooms = new Map<string, Room>();
  for (const way of ways) {
    const { device, tunnel, outer, overhead, room, far } = way;
    // Nothing is known of the way to a far end that is not here: it need not take jumbo frames.
    const sure = far === null ? Math.min(room, ETHERNET_MTU - overhead) : room;
    const spare = tunnel.kind === 'wireguard' ? WIREGUARD_OVERHEAD - overhead : 0;
    const key = deviceKey(device);
    const least = Math.min(sure - spare, rooms.get(key)?.room ?? Number.POSITIVE_INFINITY);
    rooms.set(key, { device, room: least, outer });
  }
  return rooms;
}

function wastedTunnels(rooms: ReadonlyMap<string, Room>): Finding[] {
  return [...rooms.values()]
    .filter(({ device, room }) => device.link.mtu < room)
    .map(({ device, room, outer }) => ({
      ...wasted(device, outer, room),
      because: `${deviceText(outer)} leaves room for ${room}: ${lossText(device.link.mtu, room)}`,
      remedy: setMtu(device.namespace, device.link.name, room),
    }));
}

/** A pod's MTU has to fit every tunnel and uplink of its node, whether a route needs it now or not. */
function wastedPod(pod: Pod, limits: Limits): Finding[] {
  const { device, hostEnd } = pod;
  // Ends that differ are a fault of their own, and which of them is meant is not known.
  if (device.link.mtu !== hostEnd.link.mtu) return [];
  const [first] = limits ?? [];
  if (limits === null || first === undefined) return [];
  const least = limits.reduce((a, b) => (b.room < a.room ? b : a), first);
  const room = Math.min(least.room, ETHERNET_MTU);
  if (device.link.mtu >= room) return [];
  return [
    {
      ...wasted(hostEnd, device, room),
      found: { mtu: device.link.mtu },
      because:
        `of what ${hostEnd.namespace.name} sends by, nothing has room for less than ${room} ` +
        `(${deviceText(least.device)}): ${lossText(device.link.mtu, room)}`,
      remedy: inTurn(
        setMtu(hostEnd.namespace, hostEnd.link.name, room),
        setMtu(device.namespace, device.link.name, room),
      ),
    },
  ];
}

/** Null where a node has a device whose headers are not known. */
type Limits = readonly Omit<Room, 'outer'>[] | null;

/** What a node sends by that leads away from it. */
function limitsOf(namespace: Namespace, rooms: ReadonlyMap<string, Room>): Limits {
  const limits: Omit<Room, 'outer'>[] = [];
  for (const link of namespace.description.links) {
    if (!link.isUp || link.isLoopback) continue;
    const device = { namespace, link };
    if (link.tunnel !== null) {
      // One that says nothing of where it sends to may add anything.
      const own = rooms.get(deviceKey(device));
      if (link.tunnel.isExternal || own === undefined) return null;
      limits.push({ device, room: Math.min(own.room, link.mtu) });
    } else if (link.kind === 'veth') {
      // No route by a router takes those of pods.
      if (namespace.leadsAway(link.ifindex)) limits.push({ device, room: link.mtu });
    } else if (link.kind === null) {
      if (namespace.isRouted(link.ifindex)) limits.push({ device, room: link.mtu });
    } else if (!PLAIN.has(link.kind) && namespace.isRouted(link.ifindex)) {
      return null;
    }
  }
  return limits;
}

/** Kinds that add nothing to what the device below them has to carry. */
const PLAIN = new Set([
  'bridge',
  'bond',
  'team',
  'vlan',
  'macvlan',
  'ipvlan',
  'dummy',
  'vrf',
  'ifb',
]);

function wasted(device: Device, peer: Device, room: number) {
  return {
    id: 'mtu-wasted',
    severity: 'note',
    ...faultDevice(device),
    peer: faultDevice(peer),
    found: { mtu: device.link.mtu },
    expected: { mtu: room },
    evidence: ['device'],
  } as const;
}

function lossText(mtu: number, room: number): string {
  const percent = (((room - mtu) / room) * 100).toFixed(1);
  return `${room - mtu} bytes of payload are lost a packet (${percent} %)`;
}
