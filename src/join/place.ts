import * as layout from '../wire/layout.gen.js';
import type { Device } from './device-table.js';

/** Hook of a place that is not a netfilter hook. */
export const NO_HOOK = 255;
/** Places remembered; one past it all are forgotten, and learned again as they are met. */
export const PLACE_LIMIT = 262_144;
/** A power of two. */
const NEAR_SLOTS = 4_096;

/** Where a packet was observed. Equal places are the same object, until the table is cleared. */
export class Place {
  readonly device: Device;
  /** STAGE_* of wire/layout.gen.ts. */
  readonly stage: number;
  /** enum nf_inet_hooks, or NO_HOOK. */
  readonly hook: number;
  /** Netfilter: the priority of the observation; 0 elsewhere. */
  readonly priority: number;
  /** The same for all priorities of one hook, which are one leg of a flow. */
  readonly legKey: number;

  constructor(device: Device, stage: number, hook: number, priority: number) {
    this.device = device;
    this.stage = stage;
    this.hook = hook;
    this.priority = priority;
    this.legKey = device.index * 64 + stage * 8 + (hook & 7);
  }

  get isDevice(): boolean {
    return this.stage === layout.STAGE_EGRESS || this.stage === layout.STAGE_INGRESS;
  }

  get isNetfilter(): boolean {
    return this.stage === layout.STAGE_NETFILTER;
  }
}

/** The places seen so far. */
export class PlaceTable {
  readonly #places = new Map<number, Map<number, Place>>();
  /** Places by a hash of what makes them: most look-ups end here. */
  readonly #near: (Place | null)[] = new Array<Place | null>(NEAR_SLOTS).fill(null);
  readonly #limit: number;
  #size = 0;
  /** How often a full table was cleared. */
  cleared = 0;

  constructor(limit = PLACE_LIMIT) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  of(device: Device, stage: number, hook: number, priority: number): Place {
    const slot =
      (Math.imul(device.index, 0x9e3779b1) ^ Math.imul(priority * 8 + stage, 0x85ebca6b) ^ hook) &
      (NEAR_SLOTS - 1);
    const near = this.#near[slot];
    if (
      near != null &&
      near.device === device &&
      near.stage === stage &&
      near.hook === hook &&
      near.priority === priority
    ) {
      return near;
    }
    const place = this.#find(device, stage, hook, priority);
    this.#near[slot] = place;
    return place;
  }

  #find(device: Device, stage: number, hook: number, priority: number): Place {
    const key = (priority * 8 + stage) * 256 + hook;
    const known = this.#places.get(device.index)?.get(key);
    if (known !== undefined) {
      return known;
    }
    if (this.#size >= this.#limit) {
      this.#places.clear();
      this.#near.fill(null);
      this.#size = 0;
      this.cleared += 1;
    }
    let ofDevice = this.#places.get(device.index);
    if (ofDevice === undefined) {
      ofDevice = new Map();
      this.#places.set(device.index, ofDevice);
    }
    const place = new Place(device, stage, hook, priority);
    ofDevice.set(key, place);
    this.#size += 1;
    return place;
  }
}
