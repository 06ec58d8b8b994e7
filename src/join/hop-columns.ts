import type { Conntrack } from './conntrack.js';
import type { Headers } from './headers.js';
import { type Drop, Hop } from './hop.js';
import type { Place } from './place.js';

/** Room for the hops of one packet through a cluster; more is made when it is needed. */
const INITIAL_CAPACITY = 48;

/**
 * The hops of one packet, a column for each of their fields: nothing is made for a hop, and
 * a set of columns serves one packet after another. `at` makes an object for a reader.
 */
export class HopColumns {
  length = 0;
  /** Nanoseconds since the source's epoch. */
  time = new Float64Array(INITIAL_CAPACITY);
  /** Bytes of the frame at the hop. */
  len = new Uint32Array(INITIAL_CAPACITY);
  mark = new Uint32Array(INITIAL_CAPACITY);
  /** -1 where it is not known. */
  ttl = new Int16Array(INITIAL_CAPACITY);
  /** MTU of the device at that moment; 0 where it is not known. */
  mtu = new Uint32Array(INITIAL_CAPACITY);
  readonly place: Place[] = [];
  readonly headers: Headers[] = [];
  readonly ct: (Conntrack | null)[] = [];
  /** Of the last hop, when that is a drop. */
  drop: Drop | null = null;

  /** Appends a hop. */
  push(
    time: number,
    place: Place,
    headers: Headers,
    ct: Conntrack | null,
    len: number,
    mark: number,
    ttl: number,
  ): void {
    const at = this.length;
    if (at === this.time.length) {
      this.#grow();
    }
    this.time[at] = time;
    this.len[at] = len;
    this.mark[at] = mark;
    this.ttl[at] = ttl;
    this.mtu[at] = place.device.mtu;
    this.place[at] = place;
    this.headers[at] = headers;
    this.ct[at] = ct;
    this.length = at + 1;
  }

  /** Moves the last hop to where its time belongs, after hops of the same time. */
  settleLast(): void {
    const last = this.length - 1;
    const time = this.time[last] as number;
    let to = last;
    while (to > 0 && (this.time[to - 1] as number) > time) {
      to -= 1;
    }
    if (to === last) {
      return;
    }
    for (const column of [this.time, this.len, this.mark, this.ttl, this.mtu]) {
      const value = column[last] as number;
      column.copyWithin(to + 1, to, last);
      column[to] = value;
    }
    for (const column of [this.place, this.headers, this.ct] as unknown[][]) {
      const value = column[last];
      column.copyWithin(to + 1, to, last);
      column[to] = value;
    }
  }

  /** Takes the first `count` hops of another packet before its own. */
  inherit(from: HopColumns, count: number): void {
    const own = this.length;
    const total = own + count;
    while (this.time.length < total) {
      this.#grow();
    }
    for (const [column, source] of [
      [this.time, from.time],
      [this.len, from.len],
      [this.mark, from.mark],
      [this.ttl, from.ttl],
      [this.mtu, from.mtu],
    ] as const) {
      column.copyWithin(count, 0, own);
      column.set(source.subarray(0, count));
    }
    this.place.splice(0, this.place.length, ...from.place.slice(0, count), ...this.place.slice(0, own));
    this.headers.splice(0, this.headers.length, ...from.headers.slice(0, count), ...this.headers.slice(0, own));
    this.ct.splice(0, this.ct.length, ...from.ct.slice(0, count), ...this.ct.slice(0, own));
    this.length = total;
  }

  /** Removes the last hop. */
  pop(): void {
    this.length -= 1;
    this.drop = null;
  }

  clear(): void {
    this.length = 0;
    this.drop = null;
  }

  /** The last hop that was observed at or before `time`; -1 when there is none. */
  indexAt(time: number): number {
    let at = this.length - 1;
    while (at >= 0 && (this.time[at] as number) > time) {
      at -= 1;
    }
    return at;
  }

  /** A hop as an object, made anew at each call. */
  at(index: number): Hop {
    const place = this.place[index] as Place;
    return new Hop(
      place,
      this.headers[index] as Headers,
      this.ct[index] ?? null,
      this.time[index] as number,
      this.len[index] as number,
      this.mtu[index] as number,
      this.mark[index] as number,
      this.ttl[index] as number,
      index === this.length - 1 ? this.drop : null,
    );
  }

  /** All hops as objects. */
  toArray(): Hop[] {
    return Array.from({ length: this.length }, (_, index) => this.at(index));
  }

  /** Bytes of the columns themselves; what several paths share is not counted. */
  get byteLength(): number {
    return this.time.length * (8 + 4 + 4 + 2 + 4 + 3 * 8);
  }

  #grow(): void {
    const capacity = this.time.length * 2;
    this.time = grown(new Float64Array(capacity), this.time);
    this.len = grown(new Uint32Array(capacity), this.len);
    this.mark = grown(new Uint32Array(capacity), this.mark);
    this.ttl = grown(new Int16Array(capacity), this.ttl);
    this.mtu = grown(new Uint32Array(capacity), this.mtu);
  }
}

function grown<T extends Float64Array | Uint32Array | Int16Array>(larger: T, column: T): T {
  larger.set(column);
  return larger;
}
