import { type BpfMap, BpfObject, Btf, type Link, probeTcx } from 'ebpf-ts';
import { COUNT_IN, COUNT_OUT } from '../wire/count-layout.gen.js';
import type { CountedDevice, DevicePlace } from './counted-devices.js';
import { modulesWithTypes } from './kernel-types.js';

/** Maps that hold what was counted, shared by all objects of one counter. */
const SHARED_MAPS = ['counts', 'tallies', 'fragments'] as const;
export type CountMap = 'counts' | 'tallies';
const DIRECTION_BY_PACKET_TYPE = 0;

export interface CountObjects {
  /** The compiled programs for tcx, dist/bpf/counter.bpf.o. */
  readonly tcx: string;
  /** Those for packet sockets, dist/bpf/counter-packet.bpf.o. */
  readonly packet: string;
}

/** What attaches the counter to devices. Errors of its methods are BpfErrors. */
export interface CountInstrument {
  readonly name: 'tcx' | 'packet';
  /** What it cannot see, in words. */
  readonly missing: readonly string[];
  map(name: CountMap): BpfMap;
  /** Attaches in both directions. */
  attach(device: CountedDevice): Link[];
  /** False when what a link was attached to is gone. */
  isAttached(link: Link): boolean;
  /**
   * Looks whether conntrack's types have come with its module, and then goes on with
   * programs that read it: every packet is counted by the old ones or by the new.
   */
  renew(links: Iterable<readonly [CountedDevice, readonly Link[]]>): void;
  close(): void;
}

/** tcx where the kernel has it, else packet sockets. */
export function openCountInstrument(
  objects: CountObjects,
  limit: number,
  name: CountInstrument['name'] = probeTcx().available ? 'tcx' : 'packet',
): CountInstrument {
  return name === 'tcx' ? new TcxCount(objects.tcx, limit) : new PacketCount(objects.packet, limit);
}

const TCX_PROGRAMS = {
  pod: { ingress: 'count_pod_in', egress: 'count_pod_out' },
  uplink: { ingress: 'count_uplink_in', egress: 'count_uplink_out' },
} as const;
/** In the order in which `attach` returns links. */
const TCX_DIRECTIONS = ['ingress', 'egress'] as const;

const NO_CONNTRACK =
  'counted flows are not joined across NAT: the kernel has no types of nf_conntrack, yet';

class TcxCount implements CountInstrument {
  readonly name = 'tcx';
  readonly #file: string;
  #object: BpfObject;
  #missing: readonly string[] = [];

  constructor(file: string, limit: number) {
    this.#file = file;
    this.#object = this.#load((object) => object.setMapMaxEntries('counts', limit));
  }

  get missing(): readonly string[] {
    return this.#missing;
  }

  map(name: CountMap): BpfMap {
    return this.#object.map(name);
  }

  attach(device: CountedDevice): Link[] {
    return attachAll(
      TCX_DIRECTIONS.map(
        (direction) => () =>
          this.#object.program(TCX_PROGRAMS[device.role][direction]).attachTcx({
            ifindex: device.ifindex,
            netns: device.path,
            direction,
            // A program before this one may keep packets from those after it.
            position: 'first',
          }),
      ),
    );
  }

  isAttached(link: Link): boolean {
    return link.info().tcx?.ifindex !== 0;
  }

  renew(links: Iterable<readonly [CountedDevice, readonly Link[]]>): void {
    if (this.#missing.length === 0 || !knowsConntrack()) {
      return;
    }
    const old = this.#object;
    this.#object = this.#load((object) => {
      for (const map of SHARED_MAPS) object.reuseMap(map, old.map(map));
    });
    for (const [device, each] of links) {
      for (const [index, direction] of TCX_DIRECTIONS.entries()) {
        const link = each[index];
        if (link !== undefined && this.isAttached(link)) {
          this.#object.program(TCX_PROGRAMS[device.role][direction]).replaceIn(link);
        }
      }
    }
    old.close();
  }

  close(): void {
    this.#object.close();
  }

  #load(prepare: (object: BpfObject) => void): BpfObject {
    const object = BpfObject.open(this.#file);
    try {
      for (const program of object.programs) {
        const direction = program.name.endsWith('_in') ? 'tcx_ingress' : 'tcx_egress';
        program.setType('sched_cls', direction);
      }
      prepare(object);
      object.load();
    } catch (error) {
      object.close();
      throw error;
    }
    this.#missing = knowsConntrack() ? [] : [NO_CONNTRACK];
    return object;
  }
}

/**
 * One object for each device and direction, since a program in a packet socket does not
 * know where it is. Where a pod's end of the veth is known, what the device sends is
 * counted as that end receives it; elsewhere the kernel clones what a device sends.
 */
class PacketCount implements CountInstrument {
  readonly name = 'packet';
  readonly missing = [
    'counted flows are not joined across NAT: packet sockets do not show conntrack (Linux 6.6)',
  ];
  readonly #file: string;
  /** Owns the maps; its own program is attached nowhere. */
  readonly #maps: BpfObject;

  constructor(file: string, limit: number) {
    this.#file = file;
    this.#maps = BpfObject.open(file);
    try {
      this.#maps.setMapMaxEntries('counts', limit);
      this.#maps.load();
    } catch (error) {
      this.#maps.close();
      throw error;
    }
  }

  map(name: CountMap): BpfMap {
    return this.#maps.map(name);
  }

  attach(device: CountedDevice): Link[] {
    const { peer } = device;
    return attachAll(
      peer === null
        ? [() => this.#attach(device, device, DIRECTION_BY_PACKET_TYPE)]
        : [
            () => this.#attach(device, device, COUNT_IN),
            () => this.#attach(device, peer, COUNT_OUT),
          ],
    );
  }

  isAttached(): boolean {
    return true;
  }

  renew(): void {}

  close(): void {
    this.#maps.close();
  }

  #attach(device: CountedDevice, socket: DevicePlace, direction: number): Link {
    const object = BpfObject.open(this.#file);
    try {
      object.setConstant('place_netns', device.netns);
      object.setConstant('place_ifindex', device.ifindex);
      object.setConstant('place_is_uplink', device.role === 'uplink' ? 1 : 0);
      object.setConstant('place_direction', direction);
      for (const map of SHARED_MAPS) object.reuseMap(map, this.#maps.map(map));
      object.load();
      return object.program('count_packet').attachPacket({
        ifindex: socket.ifindex,
        netns: socket.path,
        start: 'network',
        outgoing: direction === DIRECTION_BY_PACKET_TYPE,
      });
    } finally {
      // The kernel keeps the program for the socket.
      object.close();
    }
  }
}

/** Its own types do not change, and take tens of ms to read. */
let isInKernelProper: boolean | null = null;

/** In the kernel proper, or in its module when that is loaded. */
function knowsConntrack(): boolean {
  if (modulesWithTypes(['nf_conntrack']).length > 0) {
    return true;
  }
  isInKernelProper ??= hasConntrackBuiltIn();
  return isInKernelProper;
}

function hasConntrackBuiltIn(): boolean {
  const kernel = Btf.kernel();
  try {
    return kernel.hasType('struct', 'nf_conn');
  } finally {
    kernel.close();
  }
}

/** All or none. */
function attachAll(each: readonly (() => Link)[]): Link[] {
  const links: Link[] = [];
  try {
    for (const attach of each) links.push(attach());
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  return links;
}
