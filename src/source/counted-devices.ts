/**
 * On which devices flows are counted, so that each is met once at either end. Pure.
 *
 * - A node is a namespace that forwards, or the daemon's own, and that holds a veth whose
 *   other end is elsewhere, or hardware.
 * - Counted as a pod's is a node's veth whose other end lies in a namespace that is an end
 *   itself: it does not forward, and its veths lead to one namespace only.
 * - Counted as an uplink is a node's hardware that is no part of a bond or bridge, and any other device that a default route
 *   goes out by, or that leads to a namespace that is no end. Tunnels lie on top of an
 *   uplink and bridges under the pods: what they carry is met where it begins or ends.
 */

/** A device as rtnetlink has it. */
export interface KnownDevice {
  readonly ifindex: number;
  /** rtnl_link_ops kind; null for hardware and the loopback device. */
  readonly kind: string | null;
  readonly isLoopback: boolean;
  readonly hasDefaultRoute: boolean;
  /** Part of a bond, a bridge or the like, where what it carries is met again. */
  readonly isEnslaved: boolean;
  /** The other end of a veth in another namespace; null when there is none or unknown. */
  readonly peer: { readonly netns: number; readonly ifindex: number } | null;
  /** Whether the other end is in another namespace, known or not. */
  readonly isPeerElsewhere: boolean;
}

export interface KnownNamespace {
  readonly netns: number;
  /** A path that setns(2) takes. */
  readonly path: string;
  /** IPv4 or IPv6 forwarding is on. */
  readonly forwards: boolean;
  /** The daemon's own. */
  readonly isOwn: boolean;
  readonly devices: readonly KnownDevice[];
}

/** Where a device is. */
export interface DevicePlace {
  /** A path of the network namespace that setns(2) takes. */
  readonly path: string;
  readonly ifindex: number;
}

export interface CountedDevice extends DevicePlace {
  /** Number of the network namespace. */
  readonly netns: number;
  readonly role: 'pod' | 'uplink';
  /** The other end of a pod's veth, where it is known. */
  readonly peer: DevicePlace | null;
}

function leadsElsewhere(device: KnownDevice): boolean {
  return device.kind === 'veth' && device.isPeerElsewhere;
}

function isHardware(device: KnownDevice): boolean {
  return device.kind === null && !device.isLoopback && !device.isEnslaved;
}

function isNode(namespace: KnownNamespace): boolean {
  return (
    (namespace.forwards || namespace.isOwn) &&
    namespace.devices.some((device) => leadsElsewhere(device) || isHardware(device))
  );
}

function isEnd(namespace: KnownNamespace): boolean {
  const veths = namespace.devices.filter(leadsElsewhere);
  return !namespace.forwards && new Set(veths.map(({ peer }) => peer?.netns)).size <= 1;
}

/** Devices to count on, of the namespaces given. */
export function countedDevices(namespaces: readonly KnownNamespace[]): CountedDevice[] {
  const byNumber = new Map(namespaces.map((namespace) => [namespace.netns, namespace]));
  return namespaces.filter(isNode).flatMap((node) =>
    node.devices.flatMap((device) => {
      const role = roleOf(device, byNumber);
      if (role === null) {
        return [];
      }
      const other = device.peer === null ? undefined : byNumber.get(device.peer.netns);
      const peer =
        role === 'pod' && device.peer !== null && other !== undefined
          ? { path: other.path, ifindex: device.peer.ifindex }
          : null;
      return [{ netns: node.netns, path: node.path, ifindex: device.ifindex, role, peer }];
    }),
  );
}

function roleOf(
  device: KnownDevice,
  byNumber: ReadonlyMap<number, KnownNamespace>,
): CountedDevice['role'] | null {
  if (device.isLoopback) {
    return null;
  }
  if (device.hasDefaultRoute || isHardware(device)) {
    return 'uplink';
  }
  if (!leadsElsewhere(device)) {
    return null;
  }
  const other = device.peer === null ? undefined : byNumber.get(device.peer.netns);
  return other === undefined || isEnd(other) ? 'pod' : 'uplink';
}
