import type { DeviceId, Link, NamespaceDescription, NetworkDescription } from './description.js';
import { type Family, type IpAddress, isLinkLocal, isMulticast } from './ip-address.js';
import { push } from './lists-by-key.js';
import { isForwarding } from './route.js';
import { type FoundRoute, type RouteKey, RouteTable } from './route-table.js';

/** A namespace with what is asked of it again and again. */
export class Namespace {
  readonly description: NamespaceDescription;
  readonly #links: ReadonlyMap<number, Link>;
  readonly #names: ReadonlyMap<string, Link>;
  readonly #addresses: ReadonlyMap<string, number>;
  readonly #ports: ReadonlyMap<number, readonly Link[]>;
  readonly #routed: ReadonlySet<number>;
  readonly #away: ReadonlySet<number>;
  #table: RouteTable | null = null;

  constructor(description: NamespaceDescription) {
    this.description = description;
    const { links, addresses, routes } = description;
    this.#links = new Map(links.map((link) => [link.ifindex, link]));
    this.#names = new Map(links.map((link) => [link.name, link]));
    this.#addresses = new Map(addresses.map((each) => [addressKey(each.address), each.ifindex]));
    const ports = new Map<number, Link[]>();
    for (const link of links) {
      if (link.master !== null) push(ports, link.master, link);
    }
    this.#ports = ports;
    this.#routed = new Set(
      routes
        .filter(isForwarding)
        .flatMap(({ hops }) => hops.flatMap(({ ifindex }) => (ifindex === null ? [] : [ifindex]))),
    );
    this.#away = new Set(
      routes.flatMap(({ type, dst, hops }) =>
        type === 'unicast' && !isMulticast(dst)
          ? hops.flatMap(({ ifindex, via }) =>
              ifindex !== null && (via !== null || dst.length === 0) ? [ifindex] : [],
            )
          : [],
      ),
    );
  }

  get netns(): number {
    return this.description.netns;
  }

  get name(): string {
    return this.description.name;
  }

  link(ifindex: number | null): Link | null {
    return ifindex === null ? null : (this.#links.get(ifindex) ?? null);
  }

  /** Devices that have it as their master. */
  ports(ifindex: number): readonly Link[] {
    return this.#ports.get(ifindex) ?? [];
  }

  /** Whether an address of this namespace is the given one, whichever device has it. */
  owns(address: IpAddress): boolean {
    return this.#addresses.has(addressKey(address));
  }

  hasAddress(ifindex: number, family: Family): boolean {
    return this.description.addresses.some(
      (each) =>
        each.ifindex === ifindex && each.address.family === family && !isLinkLocal(each.address),
    );
  }

  /** Whether a route leads out by it, those of the link itself aside. */
  isRouted(ifindex: number): boolean {
    return this.#routed.has(ifindex);
  }

  /** Whether a default route, or one by a router, leads out by it. */
  leadsAway(ifindex: number): boolean {
    return this.#away.has(ifindex);
  }

  /** Null also for what takes a port of a VRF: its tables are not followed. */
  find(key: RouteKey): FoundRoute | null {
    const { routes, rules } = this.description;
    if (
      this.#isOfVrf(this.#names.get(key.incoming) ?? null) ||
      this.#isOfVrf(this.link(key.outgoing))
    )
      return null;
    this.#table ??= new RouteTable(routes, rules);
    return this.#table.find(key, this.link(key.outgoing)?.name ?? null);
  }

  #isOfVrf(link: Link | null): boolean {
    return link !== null && (link.kind === 'vrf' || this.link(link.master)?.kind === 'vrf');
  }
}

/** All namespaces that were read. */
export class Machine {
  readonly namespaces: readonly Namespace[];
  readonly #byNumber: ReadonlyMap<number, Namespace>;
  readonly #owners = new Map<string, Namespace[]>();
  readonly #above = new Map<string, Device[]>();
  readonly #tunnels = new Map<number, Device[]>();

  constructor({ namespaces }: NetworkDescription) {
    this.namespaces = namespaces.map((each) => new Namespace(each));
    this.#byNumber = new Map(this.namespaces.map((each) => [each.netns, each]));
    for (const namespace of this.namespaces) {
      for (const { address } of namespace.description.addresses) {
        push(this.#owners, addressKey(address), namespace);
      }
    }
    for (const device of this.devices()) {
      const { kind, other, tunnel, underlay } = device.link;
      if (tunnel !== null && underlay !== null) {
        push(this.#tunnels, underlay, device);
      }
      if (kind === 'veth' || other === null) continue;
      push(this.#above, idKey(other), device);
    }
  }

  namespace(netns: number | null): Namespace | null {
    return netns === null ? null : (this.#byNumber.get(netns) ?? null);
  }

  /** The device with its namespace, where both were read. */
  device(id: DeviceId | null): Device | null {
    const namespace = this.namespace(id?.netns ?? null);
    const link = namespace?.link(id?.ifindex ?? null) ?? null;
    return namespace === null || link === null ? null : { namespace, link };
  }

  /** The namespaces that have an address. */
  owners(address: IpAddress): readonly Namespace[] {
    return this.#owners.get(addressKey(address)) ?? [];
  }

  /** The other end of a veth, or the device below a VLAN, macvlan or ipvlan. */
  other({ link }: Device): Device | null {
    return this.device(link.other);
  }

  /** The VLANs, macvlans and ipvlans of a device, in whichever namespace. */
  above(device: Device): readonly Device[] {
    return this.#above.get(deviceKey(device)) ?? [];
  }

  /** Tunnels whose outer packets a namespace routes, wherever the devices are. */
  tunnelsOver({ netns }: Namespace): readonly Device[] {
    return this.#tunnels.get(netns) ?? [];
  }

  *devices(): Generator<Device> {
    for (const namespace of this.namespaces) {
      for (const link of namespace.description.links) yield { namespace, link };
    }
  }
}

export interface Device {
  readonly namespace: Namespace;
  readonly link: Link;
}

/** Different for each device of the machine. */
export function deviceKey({ namespace, link }: Device): string {
  return idKey({ netns: namespace.netns, ifindex: link.ifindex });
}

function idKey({ netns, ifindex }: DeviceId): string {
  return `${netns}/${ifindex}`;
}

export function isSameDevice(a: Device, b: Device): boolean {
  return a.namespace === b.namespace && a.link.ifindex === b.link.ifindex;
}

function addressKey({ family, value }: IpAddress): string {
  return `${family}/${value}`;
}
