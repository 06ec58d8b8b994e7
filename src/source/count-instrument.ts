import { dirname, join } from 'node:path';
import { BpfError, type BpfMap, BpfObject, Btf, type Link, probeTcx } from 'ebpf-ts';
import { COUNT_IN, COUNT_OUT } from '../wire/count-layout.gen.js';
import type { CountedDevice, DevicePlace } from './counted-devices.js';
import { type KeptCounts, SHARED_MAPS, type SharedMap } from './kept-counts.js';
import { modulesWithTypes } from './kernel-types.js';

const DIRECTION_BY_PACKET_TYPE = 0;

export interface CountObjects {
  /** The compiled programs for tcx, dist/bpf/counter.bpf.o. */
  readonly tcx: string;
  /** Those for packet sockets, dist/bpf/counter-packet.bpf.o. */
  readonly packet: string;
}

/** As they are compiled, in the folder of the tracer's object. */
export function countObjectsBeside(objectFile: string): CountObjects {
  const beside = (name: string): string => join(dirname(objectFile), name);
  return { tcx: beside('counter.bpf.o'), packet: beside('counter-packet.bpf.o') };
}

/**
 * What attaches the counter to devices. Errors of its methods are BpfErrors. What takes the
 * kernel long is done on another thread: a load, and a grace period for each link.
 */
export interface CountInstrument {
  readonly name: 'tcx' | 'packet';
  /** What it cannot see, in words. */
  readonly missing: readonly string[];
  map(name: SharedMap): BpfMap;
  /** Attaches in both directions. */
  attach(device: CountedDevice): Promise<Link[]>;
  /** Puts its programs in the place of those of an earlier process, of which no packet is missed. */
  takeOver(device: CountedDevice, links: readonly Link[]): Promise<void>;
  /** False when what a link was attached to is gone. */
  isAttached(link: Link): Promise<boolean>;
  /**
   * Looks whether conntrack's types have come with its module, and then goes on with
   * programs that read it: every packet is counted by the old ones or by the new.
   */
  reload(attached: () => Iterable<readonly [CountedDevice, readonly Link[]]>): Promise<void>;
  close(): void;
}

/** tcx where the kernel has it, else packet sockets. */
export function bestInstrument(): CountInstrument['name'] {
  return probeTcx().available ? 'tcx' : 'packet';
}

/** @param maps of an earlier counter by tcx, to go on with; null to begin anew */
export function openCountInstrument(
  objects: CountObjects,
  limit: number,
  name: CountInstrument['name'],
  maps: KeptCounts['maps'] | null,
): Promise<CountInstrument> {
  return name === 'tcx'
    ? TcxCount.open(objects.tcx, limit, maps)
    : PacketCount.open(objects.packet, limit);
}

const TCX_PROGRAMS = { pod: 'count_pod', uplink: 'count_uplink' } as const;
/** In the order in which `attach` returns links. */
const TCX_DIRECTIONS = ['ingress', 'egress'] as const;

const NO_CONNTRACK =
  'counted flows are not joined across NAT: the kernel has no types of nf_conntrack, yet';

class TcxCount implements CountInstrument {
  readonly name = 'tcx';
  readonly #file: string;
  #object: BpfObject;
  #missing: readonly string[];

  private constructor(file: string, object: BpfObject) {
    this.#file = file;
    this.#object = object;
    this.#missing = missingHere();
  }

  static async open(
    file: string,
    limit: number,
    maps: KeptCounts['maps'] | null,
  ): Promise<TcxCount> {
    const object = await loadTcx(file, (opened) => {
      if (maps === null) opened.setMapMaxEntries('counts', limit);
      else for (const name of SHARED_MAPS) opened.reuseMap(name, maps[name]);
    });
    return new TcxCount(file, object);
  }

  get missing(): readonly string[] {
    return this.#missing;
  }

  map(name: SharedMap): BpfMap {
    return this.#object.map(name);
  }

  attach(device: CountedDevice): Promise<Link[]> {
    return attachAll(
      TCX_DIRECTIONS.map(
        (direction) => () =>
          this.#object.program(TCX_PROGRAMS[device.role]).attachTcxAsync({
            ifindex: device.ifindex,
            netns: device.path,
            direction,
            // A program before this one may keep packets from those after it.
            position: 'first',
          }),
      ),
    );
  }

  takeOver(device: CountedDevice, links: readonly Link[]): Promise<void> {
    return this.#replace(this.#object, device, links);
  }

  async isAttached(link: Link): Promise<boolean> {
    return (await link.infoAsync()).tcx?.ifindex !== 0;
  }

  async reload(attached: () => Iterable<readonly [CountedDevice, readonly Link[]]>): Promise<void> {
    if (this.#missing.length === 0 || !knowsConntrack()) {
      return;
    }
    const old = this.#object;
    const object = await loadTcx(this.#file, (opened) => {
      for (const map of SHARED_MAPS) opened.reuseMap(map, old.map(map));
    });
    try {
      for (const [device, links] of attached()) await this.#replace(object, device, links);
    } catch (error) {
      object.close();
      throw error;
    }
    this.#object = object;
    this.#missing = missingHere();
    old.close();
  }

  close(): void {
    this.#object.close();
  }

  async #replace(object: BpfObject, device: CountedDevice, links: readonly Link[]): Promise<void> {
    for (const link of links) {
      try {
        if (await this.isAttached(link)) {
          object.program(TCX_PROGRAMS[device.role]).replaceIn(link);
        }
      } catch (error) {
        // The device has gone since the look.
        if (!(error instanceof BpfError) || error.code !== 'ENOLINK') throw error;
      }
    }
  }
}

async function loadTcx(file: string, prepare: (object: BpfObject) => void): Promise<BpfObject> {
  const object = BpfObject.open(file);
  try {
    for (const program of object.programs) program.setType('sched_cls', 'tcx_ingress');
    prepare(object);
    await object.loadAsync();
    return object;
  } catch (error) {
    object.close();
    throw error;
  }
}

function missingHere(): readonly string[] {
  return knowsConntrack() ? [] : [NO_CONNTRACK];
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

  private constructor(file: string, maps: BpfObject) {
    this.#file = file;
    this.#maps = maps;
  }

  static async open(file: string, limit: number): Promise<PacketCount> {
    const maps = BpfObject.open(file);
    try {
      maps.setMapMaxEntries('counts', limit);
      await maps.loadAsync();
      return new PacketCount(file, maps);
    } catch (error) {
      maps.close();
      throw error;
    }
  }

  map(name: SharedMap): BpfMap {
    return this.#maps.map(name);
  }

  attach(device: CountedDevice): Promise<Link[]> {
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

  takeOver(): Promise<void> {
    // Sockets are not kept.
    return Promise.resolve();
  }

  isAttached(): Promise<boolean> {
    return Promise.resolve(true);
  }

  reload(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#maps.close();
  }

  async #attach(device: CountedDevice, socket: DevicePlace, direction: number): Promise<Link> {
    const object = BpfObject.open(this.#file);
    try {
      object.setConstant('place_netns', device.netns);
      object.setConstant('place_ifindex', device.ifindex);
      object.setConstant('place_is_uplink', device.role === 'uplink' ? 1 : 0);
      object.setConstant('place_direction', direction);
      for (const map of SHARED_MAPS) object.reuseMap(map, this.#maps.map(map));
      await object.loadAsync();
      // Takes the kernel a tenth of a millisecond.
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

/** All or none, one after another. */
async function attachAll(each: readonly (() => Promise<Link>)[]): Promise<Link[]> {
  const links: Link[] = [];
  try {
    for (const attach of each) links.push(await attach());
  } catch (error) {
    await closeAll(links);
    throw error;
  }
  return links;
}

/** Resolved when the kernel has detached all of them. */
export async function closeAll(links: readonly Link[]): Promise<void> {
  await Promise.all(links.map((link) => link.closeAsync()));
}
