import type { LinkAddresses } from './link-addresses.js';
import type { Outer } from './outer.js';

/** How many devices are remembered; a node with thousands of pods has fewer. */
export const DEVICE_LIMIT = 65_536;
/** A power of two. */
const NEAR_SLOTS = 1_024;
const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

/** A network device under one name; under another name or kind it is another device. */
export class Device {
  /** Dense number, for keys. */
  readonly index: number;
  /** Number of its network namespace, which no other one has had. */
  readonly netns: number;
  /** Inode number of the namespace; 0 until the kernel has announced the device. */
  inode = 0;
  readonly ifindex: number;
  /** '' until the kernel has announced it. */
  name = '';
  /** rtnetlink link kind, '' for hardware. */
  kind = '';
  mtu = 0;
  /** ARPHRD_* (include/uapi/linux/if_arp.h). */
  type = 0;
  /** When it was first met under this name and kind, ns since the source's epoch. */
  since = Number.NEGATIVE_INFINITY;
  /** What it was before, for hops that are joined later. */
  before: Device | null = null;

  /** The other end of its pair, once a packet was seen to cross it. */
  facing: Device | null = null;
  /** What was around the newest packet on it; the next one often has the same. */
  link: LinkAddresses | null = null;
  outer: Outer | null = null;

  constructor(index: number, netns: number, ifindex: number) {
    this.index = index;
    this.netns = netns;
    this.ifindex = ifindex;
  }

  /** Whether its frames begin with an Ethernet header. */
  get hasLinkHeader(): boolean {
    return this.type === ARPHRD_ETHER || this.type === ARPHRD_LOOPBACK;
  }

  /** Whether a packet leaves the machine by it. */
  get isHardware(): boolean {
    return this.kind === '' && this.type !== ARPHRD_LOOPBACK;
  }
}

/** What the kernel says of a device. */
export interface DeviceDescription {
  readonly netns: number;
  readonly inode: number;
  readonly ifindex: number;
  readonly name: string;
  readonly kind: string;
  readonly mtu: number;
  readonly type: number;
}

/** Devices by namespace and interface index, as the kernel announces them. */
export class DeviceTable {
  readonly #devices = new Map<number, Device>();
  /** Devices by a hash: a look-up in the map makes a number of its key each time. */
  readonly #near: (Device | undefined)[] = new Array<Device | undefined>(NEAR_SLOTS).fill(
    undefined,
  );
  readonly #limit: number;
  #count = 0;
  evicted = 0;
  /** Grows with each change of what a device is, of which the newest came at `changedAt`. */
  version = 0;
  changedAt = Number.NEGATIVE_INFINITY;

  constructor(limit = DEVICE_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#devices.size;
  }

  /**
   * Notes what a device is; under another name or kind it is another device from `time` on (ns
   * since the source's epoch). Each CPU announces what it meets, so an announcement may be older
   * than the one before: then it says what the device was.
   */
  learn(said: DeviceDescription, time: number): Device {
    const { netns, ifindex, name, kind, mtu, type } = said;
    let device = this.#find(netns, ifindex);
    if (
      device.name !== name ||
      device.kind !== kind ||
      device.mtu !== mtu ||
      device.type !== type
    ) {
      this.version += 1;
      this.changedAt = Math.max(this.changedAt, time);
    }
    if (device.name !== '' && (device.name !== name || device.kind !== kind)) {
      if (time < device.since) {
        return this.of(netns, ifindex, time);
      }
      this.#devices.delete(deviceKey(netns, ifindex));
      const renamed = this.#add(netns, ifindex);
      renamed.since = time;
      renamed.before = device;
      device.before = null;
      device = renamed;
    }
    device.inode = said.inode;
    device.name = name;
    device.kind = kind;
    device.mtu = mtu;
    device.type = type;
    return device;
  }

  /**
   * The device of a hop at `time` (ns since the source's epoch), not yet named when it was not
   * announced. Index 0: none is known.
   */
  of(netns: number, ifindex: number, time: number): Device {
    const device = this.#find(netns, ifindex);
    return time < device.since && device.before !== null ? device.before : device;
  }

  #find(netns: number, ifindex: number): Device {
    const slot = nearSlot(netns, ifindex);
    const near = this.#near[slot];
    if (near !== undefined && near.netns === netns && near.ifindex === ifindex) {
      return near;
    }
    const device = this.#devices.get(deviceKey(netns, ifindex)) ?? this.#add(netns, ifindex);
    this.#near[slot] = device;
    return device;
  }

  #add(netns: number, ifindex: number): Device {
    if (this.#devices.size >= this.#limit) {
      const oldest = this.#devices.keys().next();
      if (oldest.done !== true) {
        const gone = this.#devices.get(oldest.value) as Device;
        this.#devices.delete(oldest.value);
        this.#near[nearSlot(gone.netns, gone.ifindex)] = undefined;
        this.evicted += 1;
        this.version += 1;
      }
    }
    const device = new Device(++this.#count, netns, ifindex);
    this.#devices.set(deviceKey(netns, ifindex), device);
    this.#near[nearSlot(netns, ifindex)] = device;
    return device;
  }
}

function deviceKey(netns: number, ifindex: number): number {
  return netns * 2097152 + (ifindex & 0x1fffff);
}

function nearSlot(netns: number, ifindex: number): number {
  return (netns ^ Math.imul(ifindex, 31)) & (NEAR_SLOTS - 1);
}
