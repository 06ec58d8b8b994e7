import type { Epoch } from './clock.js';
import * as layout from './layout.gen.js';
import {
  FRAME_HEADER,
  noWireErrors,
  RecordCursor,
  recordError,
  type TrailRest,
  type WireErrorCounts,
} from './record-cursor.js';

/** Bytes of records held back; beyond it they are given out before their time. */
export const QUEUE_LIMIT_BYTES = 64 << 20;
const CHUNK_BYTES = 1 << 20;
/** Of each record that waits: when it began, where it is, and its place in the order. */
export const ENTRY_BYTES = 8 + 8 + 8 + 8;
/** Records given out at once where too many are held. */
const HURRIED_AT_ONCE = 2_048;
/** Index of an entry within its sort key; more entries are sorted in several rounds. */
const KEY_ENTRIES = 1 << 20;
/** Times sorted by keys lie this close together, ns: a key must fit a double. */
const KEY_SPAN = 2 ** 32;

interface Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  used: number;
  /** Records in it that were not given out. */
  waiting: number;
}

/** A trail of which a part was given out. */
interface Deferred {
  readonly chunk: Chunk;
  readonly start: number;
  readonly size: number;
  readonly rest: TrailRest;
}

/**
 * Records in the order of their first hops. The kernel hands a trail over when its packet
 * ends, so records arrive in the order of ends, while what a packet was copied or cut from
 * is known only in the order of beginnings. They are copied here until the source says that
 * all that began before some time has come (its `tick`), and given out by their time. Pure.
 */
export class RecordQueue {
  readonly malformed: WireErrorCounts = noWireErrors();
  /** Records given out so far. */
  records = 0;
  /** Records given out before their time because too many were held: their order is not sure. */
  hurried = 0;
  readonly #cursor: RecordCursor;
  readonly #epoch: Epoch;
  readonly #limit: number;
  /** How many chunks there are at most when none is about to be used: what the limit holds. */
  readonly #chunksKept: number;
  #chunks: Chunk[] = [];
  readonly #spare: Chunk[] = [];
  #bytes = 0;
  // One entry a record: when it began, its chunk, where in it, and how long.
  #count = 0;
  #times = new Float64Array(4_096);
  #places = new Uint32Array(2 * 4_096);
  #keys = new Float64Array(4_096);
  #entryChunks: (Chunk | null)[] = [];
  /** The oldest last. */
  readonly #deferred: Deferred[] = [];

  constructor(epoch: Epoch, limit = QUEUE_LIMIT_BYTES) {
    this.#epoch = epoch;
    this.#cursor = new RecordCursor(epoch);
    this.#limit = limit;
    this.#chunksKept = Math.floor(limit / CHUNK_BYTES);
  }

  /** Records that wait. */
  get waiting(): number {
    return this.#count + this.#deferred.length;
  }

  /** Their bytes. */
  get byteLength(): number {
    return this.#bytes;
  }

  /** What is taken for them, the place of each in the order included. */
  get memory(): number {
    return this.#bytes + this.waiting * ENTRY_BYTES;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether some of what waits must be given out now, whatever its time: see `hurry`. */
  get isFull(): boolean {
    return this.memory > this.#limit;
  }

  /** Takes the records of a batch over; the batch may be reused afterwards. */
  add(batch: Uint8Array, length: number): void {
    const size = Math.min(length, batch.byteLength);
    const chunk = this.#room(size);
    const { view, used } = chunk;
    // All at once: a copy of each record costs more than what stands between them.
    chunk.bytes.set(size === batch.byteLength ? batch : batch.subarray(0, size), used);
    chunk.used += (size + 7) & ~7;
    const end = used + size;
    for (let at = used; at < end; ) {
      if (at + FRAME_HEADER > end) {
        this.malformed.WIRE_TRUNCATED_FRAME += 1;
        return;
      }
      const length = view.getUint32(at, true);
      const start = at + FRAME_HEADER;
      if (start + length > end) {
        this.malformed.WIRE_TRUNCATED_FRAME += 1;
        return;
      }
      const error = recordError(view, start, length);
      if (error === null) {
        this.#keep(chunk, start, length);
      } else {
        this.malformed[error] += 1;
      }
      at = start + ((length + 7) & ~7);
    }
  }

  /**
   * Gives out, in order, what began before `time` (source's epoch, ns). A trail whose reader
   * leaves a rest in the cursor comes again at the time of that.
   */
  release(time: number, take: (record: RecordCursor) => void): void {
    while (this.#count > 0 && this.#round(time, take, Number.POSITIVE_INFINITY)) {
      // until nothing is left that is due
    }
    this.#giveDeferred(time, take);
    this.#recycle();
  }

  /** Gives out the oldest before their time, until no more is held than may be. */
  hurry(take: (record: RecordCursor) => void): void {
    while (this.isFull) {
      const before = this.records;
      if (this.#count > 0) this.#round(Number.POSITIVE_INFINITY, take, HURRIED_AT_ONCE);
      else this.#giveDeferred(Number.POSITIVE_INFINITY, take);
      this.#recycle();
      this.hurried += this.records - before;
    }
  }

  /** Gives out everything there is. */
  flush(take: (record: RecordCursor) => void): void {
    this.release(Number.POSITIVE_INFINITY, take);
  }

  #keep(chunk: Chunk, start: number, size: number): void {
    const at = this.#count;
    if (at === this.#times.length) {
      this.#grow();
    }
    this.#times[at] = this.#orderTime(chunk.view, start);
    this.#places[2 * at] = start;
    this.#places[2 * at + 1] = size;
    this.#entryChunks[at] = chunk;
    chunk.waiting += 1;
    this.#bytes += size;
    this.#count = at + 1;
  }

  /** A device comes before the hops on it, whichever trail they are in: they name it by their time. */
  #orderTime(view: DataView, start: number): number {
    if (view.getUint16(start + layout.HEADER_TYPE, true) === layout.RECORD_DEVICE) {
      return Number.NEGATIVE_INFINITY;
    }
    return this.#epoch.sinceHalves(
      view.getUint32(start + layout.HEADER_TIME, true),
      view.getUint32(start + layout.HEADER_TIME + 4, true),
    );
  }

  /** Gives out the oldest that are due, as many as one sort takes or `most`; false when none was. */
  #round(time: number, take: (record: RecordCursor) => void, most: number): boolean {
    const times = this.#times;
    let oldest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#count; i++) {
      const one = times[i] as number;
      if (one < time && one > Number.NEGATIVE_INFINITY && one < oldest) {
        oldest = one;
      }
    }
    let due = 0;
    let isWide = false;
    const sorted = Math.min(this.#count, KEY_ENTRIES);
    for (let i = 0; i < sorted; i++) {
      const one = times[i] as number;
      if (one === Number.NEGATIVE_INFINITY) {
        this.#keys[due++] = i - KEY_ENTRIES;
      } else if (one < time) {
        isWide ||= one - oldest >= KEY_SPAN;
        this.#keys[due++] = Math.floor(one - oldest) * KEY_ENTRIES + i;
      }
    }
    if (due === 0) {
      return false;
    }
    const keys = isWide ? this.#wideKeys(time) : this.#keys.subarray(0, due).sort();
    for (const key of keys.subarray(0, most)) {
      const entry = key < 0 ? key + KEY_ENTRIES : key % KEY_ENTRIES;
      if (this.#deferred.length > 0 && key >= 0) {
        this.#giveDeferred(times[entry] as number, take);
      }
      this.#give(entry, take);
    }
    this.#compact();
    return true;
  }

  /** In their order, the due entries that are too far apart for keys: slower, and seldom. */
  #wideKeys(time: number): Float64Array {
    const times = this.#times;
    const entries: number[] = [];
    for (let i = 0; i < Math.min(this.#count, KEY_ENTRIES); i++) {
      if ((times[i] as number) < time) entries.push(i);
    }
    entries.sort((a, b) => {
      const [one, other] = [times[a] as number, times[b] as number];
      return one === other ? a - b : one - other;
    });
    return Float64Array.from(entries, (entry) =>
      times[entry] === Number.NEGATIVE_INFINITY ? entry - KEY_ENTRIES : entry,
    );
  }

  #give(entry: number, take: (record: RecordCursor) => void): void {
    const chunk = this.#entryChunks[entry] as Chunk;
    const start = this.#places[2 * entry] as number;
    const size = this.#places[2 * entry + 1] as number;
    this.#entryChunks[entry] = null;
    this.records += 1;
    this.#hand(chunk, start, size, null, take);
  }

  /** Gives out what is left of trails and comes before `time`. */
  #giveDeferred(time: number, take: (record: RecordCursor) => void): void {
    const deferred = this.#deferred;
    for (let next = deferred.at(-1); next !== undefined && next.rest.time < time; ) {
      deferred.pop();
      this.#hand(next.chunk, next.start, next.size, next.rest, take);
      next = deferred.at(-1);
    }
  }

  #hand(
    chunk: Chunk,
    start: number,
    size: number,
    from: TrailRest | null,
    take: (record: RecordCursor) => void,
  ): void {
    const cursor = this.#cursor;
    cursor.set(chunk.view, chunk.bytes, start, size);
    cursor.from = from;
    take(cursor);
    const { rest } = cursor;
    if (rest === null) {
      chunk.waiting -= 1;
      this.#bytes -= size;
    } else {
      this.#defer({ chunk, start, size, rest });
    }
  }

  #defer(entry: Deferred): void {
    const deferred = this.#deferred;
    let at = deferred.length;
    while (at > 0 && (deferred[at - 1] as Deferred).rest.time <= entry.rest.time) {
      at -= 1;
    }
    deferred.splice(at, 0, entry);
  }

  /** Closes the gaps that entries given out have left. */
  #compact(): void {
    let kept = 0;
    for (let i = 0; i < this.#count; i++) {
      const chunk = this.#entryChunks[i] ?? null;
      if (chunk === null) {
        continue;
      }
      if (kept !== i) {
        this.#times[kept] = this.#times[i] as number;
        this.#places[2 * kept] = this.#places[2 * i] as number;
        this.#places[2 * kept + 1] = this.#places[2 * i + 1] as number;
        this.#entryChunks[kept] = chunk;
      }
      kept += 1;
    }
    this.#entryChunks.length = kept;
    this.#count = kept;
  }

  #room(size: number): Chunk {
    const newest = this.#chunks[this.#chunks.length - 1];
    if (newest !== undefined && newest.used + size <= newest.bytes.byteLength) {
      return newest;
    }
    let chunk = size <= CHUNK_BYTES ? this.#spare.pop() : undefined;
    if (chunk === undefined) {
      const bytes = new Uint8Array(Math.max(size, CHUNK_BYTES));
      chunk = { bytes, view: new DataView(bytes.buffer), used: 0, waiting: 0 };
    }
    this.#chunks.push(chunk);
    return chunk;
  }

  #recycle(): void {
    const empty = this.#chunks.filter(({ waiting }) => waiting === 0);
    if (empty.length === 0) {
      return;
    }
    this.#chunks = this.#chunks.filter(({ waiting }) => waiting > 0);
    for (const chunk of empty) {
      chunk.used = 0;
      // V8 collects everything after each 64 MiB of new arrays: a second of a flood.
      const kept = this.#chunks.length + this.#spare.length;
      if (kept < this.#chunksKept && chunk.bytes.byteLength === CHUNK_BYTES) {
        this.#spare.push(chunk);
      }
    }
  }

  #grow(): void {
    const capacity = this.#times.length * 2;
    const times = new Float64Array(capacity);
    times.set(this.#times);
    const places = new Uint32Array(2 * capacity);
    places.set(this.#places);
    this.#times = times;
    this.#places = places;
    this.#keys = new Float64Array(capacity);
  }
}
