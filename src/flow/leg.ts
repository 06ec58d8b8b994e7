import type { Device } from '../join/device-table.js';
import type { Headers } from '../join/headers.js';
import type { Place } from '../join/place.js';
import type { Histogram } from './histogram.js';
import type { LegSample } from './leg-sample.js';

/** What one direction's packets did at one place. Netfilter priorities of a hook are one leg. */
export class Leg {
  /** Of the first packet there. */
  readonly place: Place;
  packets = 0;
  bytes = 0;
  /** Nanoseconds since the leg before; null on a first leg. */
  latency: Histogram | null = null;
  /** Of the step of its flow's history that is under way; null while that has none. */
  sample: LegSample | null = null;
  /** The tunnel seen around its newest packet. */
  outer: Headers['outer'] = null;

  constructor(place: Place) {
    this.place = place;
  }

  get key(): number {
    return this.place.legKey;
  }

  get device(): Device {
    return this.place.device;
  }

  get stage(): number {
    return this.place.stage;
  }

  get hook(): number {
    return this.place.hook;
  }
}
