import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import type { LinkAddresses, Outer } from './hop.js';

/** How many devices are remembered; a node with thousands of pods has fewer. */
export const DEVICE_LIMIT = 65_536;
/** A power of two. */
const NEAR_SLOTS = 256;

/** A network device under one name; renamed, it is another. */
export class Device {
  /** Dense number, for keys. */
  readonly index: number;
  /** Inode of its network namespace. */
  readonly netns: number;
  readonly ifindex: number;
  name = '';
  /** rtnetlink link kind, '' for hardware. */
  kind = '';
  mtu = 0;
  /** ARPHRD_* (include/uapi/linux/if_arp.h). */
  type = 0;
  /** The bytes of name and kind last seen, to notice a rename cheaply. */
  word0 = 0;
  word1 = 0;
  word2 = 0;
  word3 = 0;
  word4 = 0;

  /** What was around the newest packet on it; the next one often has the same. */
  link: LinkAddresses | null = null;
  outer: Outer | null = null;

  constructor(index: number, netns: number, ifindex: number) {
    this.index = index;
    this.netns = netns;
    this.ifindex = ifindex;
  }
}

/** Devices by namespace and interface index, learned from the records themselves. */
export class DeviceTable {
  readonly #devices = new Map<number, Device>();
  /** Devices by a hash: a look-up in the map makes a number of its key each time. */
  readonly #near: (Device | undefined)[] = new Array(NEAR_SLOTS).fill(undefined);
  readonly #limit: number;
  #count = 0;
  evicted = 0;

  constructor(limit = DEVICE_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#devices.size;
  }

  /** The device of the hop record under the cursor. Index 0 stands for "none known". */
  of(record: RecordCursor): Device {
    const netns = record.u32(layout.HOP_NETNS);
    const ifindex = record.u32(layout.HOP_IFINDEX);
    let device = this.#find(netns, ifindex);
    if (ifindex === 0) {
      return device;
    }
    const word0 = record.u32(layout.HOP_DEV);
    const word1 = record.u32(layout.HOP_DEV + 4);
    const word2 = record.u32(layout.HOP_DEV + 8);
    const word3 = record.u32(layout.HOP_DEV + 12);
    const word4 = record.u32(layout.HOP_KIND);
    if (
      word0 !== device.word0 ||
      word1 !== device.word1 ||
      word2 !== device.word2 ||
      word3 !== device.word3 ||
      word4 !== device.word4
    ) {
      const name = record.text(layout.HOP_DEV, 16);
      const kind = record.text(layout.HOP_KIND, 16);
      if (device.name !== '' && (device.name !== name || device.kind !== kind)) {
        // Hops before this one were of the device as it was called then.
        this.#devices.delete(deviceKey(netns, ifindex));
        device = this.#add(netns, ifindex);
      }
      device.word0 = word0;
      device.word1 = word1;
      device.word2 = word2;
      device.word3 = word3;
      device.word4 = word4;
      device.name = name;
      device.kind = kind;
      device.type = record.u16(layout.HOP_DEV_TYPE);
    }
    device.mtu = record.u32(layout.HOP_MTU);
    return device;
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
