import type { Conntrack } from './conntrack.js';
import type { Headers } from './headers.js';
import { type Drop, Hop } from './hop.js';
import type { Place } from './place.js';

/** Room for the hops of one packet through a cluster; more is made when it is needed. */
const INITIAL_CAPACITY = 48;

/** All of a packet's hops but their times. Packets of a flow that go one way share it. */
export interface SharedHops {
  length: number;
  /** Bytes of the frame at the hop. */
  len: Uint32Array;
  mark: Uint32Array;
  /** -1 where it is not known. */
  ttl: Int16Array;
  /** MTU of the device at that moment; 0 where it is not known. */
  mtu: Uint32Array;
  place: Place[];
  /** Of shared hops the `ipId` is that of the packet they were first seen of. */
  headers: Headers[];
  ct: (Conntrack | null)[];
}

/**
 * The hops of one packet, a column for each of their fields: nothing is made for a hop, and
 * a set of columns serves one packet after another. `at` makes an object for a reader.
 */
export class HopColumns implements SharedHops {
  length = 0;
  /** Nanoseconds since the source's epoch. */
  time = new Float64Array(INITIAL_CAPACITY);
  len: Uint32Array = new Uint32Array(INITIAL_CAPACITY);
  mark: Uint32Array = new Uint32Array(INITIAL_CAPACITY);
  ttl: Int16Array = new Int16Array(INITIAL_CAPACITY);
  mtu: Uint32Array = new Uint32Array(INITIAL_CAPACITY);
  place: Place[] = [];
  headers: Headers[] = [];
  ct: (Conntrack | null)[] = [];
  /** Of the last hop, when that is a drop. */
  drop: Drop | null = null;
  /** Whether the columns are another packet's; its own are kept, and its own IP id. */
  #isShared = false;
  #own: SharedHops | null = null;
  #ipId = -1;

  /** Appends a hop; the headers that it has then, which may be a copy. */
  push(
    time: number,
    place: Place,
    headers: Headers,
    ct: Conntrack | null,
    len: number,
    mark: number,
    ttl: number,
  ): Headers {
    const own = this.#isShared ? this.#ownHeaders(headers) : headers;
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
    this.headers[at] = own;
    this.ct[at] = ct;
    this.length = at + 1;
    return own;
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
    this.#unshare();
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
    from.#unshare();
    this.#unshare();
    const own = this.length;
    const total = own + count;
    this.reserve(total);
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
    this.place.splice(
      0,
      this.place.length,
      ...from.place.slice(0, count),
      ...this.place.slice(0, own),
    );
    this.headers.splice(
      0,
      this.headers.length,
      ...from.headers.slice(0, count),
      ...this.headers.slice(0, own),
    );
    this.ct.splice(0, this.ct.length, ...from.ct.slice(0, count), ...this.ct.slice(0, own));
    this.length = total;
  }

  /** Makes room for the times of so many hops. */
  reserve(hops: number): void {
    this.#unshare();
    while (this.time.length < hops) {
      this.#grow();
    }
  }

  /**
   * Has the hops of another packet of its flow from the first on, whose times are in `time`
   * already. They are copied before anything is added to them.
   *
   * @param ipId of this packet; -1 without one
   */
  share(hops: SharedHops, ipId: number): void {
    const { length, len, mark, ttl, mtu, place, headers, ct } = this;
    this.#own ??= { length, len, mark, ttl, mtu, place, headers, ct };
    // They may have grown since.
    this.#own.len = len;
    this.#own.mark = mark;
    this.#own.ttl = ttl;
    this.#own.mtu = mtu;
    if (length > 0 && hops.length > 0) {
      // What was made for the first hop is needed no longer.
      headers[0] = hops.headers[0] as Headers;
    }
    this.#isShared = true;
    this.#ipId = ipId;
    this.#set(hops);
  }

  /** A copy of the first `count` hops. */
  copyOf(count: number): SharedHops {
    return {
      length: count,
      len: this.len.slice(0, count),
      mark: this.mark.slice(0, count),
      ttl: this.ttl.slice(0, count),
      mtu: this.mtu.slice(0, count),
      place: this.place.slice(0, count),
      headers: this.headers.slice(0, count),
      ct: this.ct.slice(0, count),
    };
  }

  /** Removes the last hop. */
  pop(): void {
    this.length -= 1;
    this.drop = null;
  }

  clear(): void {
    this.#goBack();
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
    const headers = this.headers[index] as Headers;
    return new Hop(
      this.place[index] as Place,
      headers,
      this.ct[index] ?? null,
      this.time[index] as number,
      this.len[index] as number,
      this.mtu[index] as number,
      this.mark[index] as number,
      this.ttl[index] as number,
      index === this.length - 1 ? this.drop : null,
      this.#isShared && headers.ipId >= 0 ? this.#ipId : headers.ipId,
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

  #set(hops: SharedHops): void {
    this.length = hops.length;
    this.len = hops.len;
    this.mark = hops.mark;
    this.ttl = hops.ttl;
    this.mtu = hops.mtu;
    this.place = hops.place;
    this.headers = hops.headers;
    this.ct = hops.ct;
  }

  #goBack(): void {
    if (this.#isShared) {
      this.#isShared = false;
      this.#set(this.#own as SharedHops);
    }
  }

  /** Of headers that may be shared those with the packet's own id, in columns of its own. */
  #ownHeaders(headers: Headers): Headers {
    const at = this.headers.indexOf(headers);
    this.#unshare();
    return this.headers[at] ?? headers;
  }

  /** Goes back to columns of its own, with a copy of the hops that were shared. */
  #unshare(): void {
    if (!this.#isShared) {
      return;
    }
    const { length, len, mark, ttl, mtu, place, headers, ct } = this;
    this.#goBack();
    this.length = length;
    this.len.set(len.subarray(0, length));
    this.mark.set(mark.subarray(0, length));
    this.ttl.set(ttl.subarray(0, length));
    this.mtu.set(mtu.subarray(0, length));
    let shared: Headers | null = null;
    let own: Headers | null = null;
    for (let at = 0; at < length; at++) {
      const one = headers[at] as Headers;
      if (one !== shared) {
        shared = one;
        own = one.ipId >= 0 ? { ...one, ipId: this.#ipId } : one;
      }
      this.place[at] = place[at] as Place;
      this.headers[at] = own as Headers;
      this.ct[at] = ct[at] ?? null;
    }
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
