import { DecodedPacket } from '../packet/decoded-packet.js';
import * as layout from '../wire/layout.gen.js';
import type { RecordCursor } from '../wire/record-cursor.js';
import { TrailCursor } from '../wire/trail-cursor.js';
import type { DeviceTable } from './device-table.js';
import type { Path } from './path.js';
import type { PlaceTable } from './place.js';
import { TrailTemplate } from './trail-template.js';

/** Templates kept, by a hash of their flow and way; some 6 KB each. A power of two. */
const SLOTS = 1_024;
/** Trails of one way in a row after which the next ones are worth a template. */
const REPEATS = 3;
const NO_WORDS = new Int32Array(0);

/**
 * The ways of flows whose packets come again and again. Most packets of a flow go where the one
 * before went: their trails differ in times, ids, sequence numbers, checksums and payload alone.
 * Then what the hops of one are is what those of the one before were, and nothing has to be
 * decoded but the first hop, which says that a packet begins.
 */
export class TrailTemplates {
  readonly #devices: DeviceTable;
  readonly #places: PlaceTable;
  readonly #slots: (TrailTemplate | null)[] = new Array<TrailTemplate | null>(SLOTS).fill(null);
  readonly #hashes = new Int32Array(SLOTS);
  readonly #repeats = new Uint8Array(SLOTS);
  readonly #trail = new TrailCursor();
  readonly #packet = new DecodedPacket();
  #buffer: ArrayBufferLike = NO_WORDS.buffer;
  #words: Int32Array = NO_WORDS;
  /** What the templates were made with: places name devices as they were then. */
  #devicesVersion = 0;
  #placesCleared = 0;
  /** Of the record that `find` was asked for last. */
  #hash = 0;

  constructor(devices: DeviceTable, places: PlaceTable) {
    this.#devices = devices;
    this.#places = places;
  }

  /**
   * The template of a trail, whose first hop has begun `path`; its times are in the path's
   * columns. Null without one, or where the trail differs from it.
   */
  find(record: RecordCursor, hop: TrailCursor, path: Path): TrailTemplate | null {
    const base = this.#wordsOf(record);
    if (base < 0 || !this.#isValidAt(record.time)) {
      this.#hash = 0;
      return null;
    }
    this.#hash = hashOf(record, hop);
    const slot = this.#hash & (SLOTS - 1);
    if (this.#hashes[slot] !== this.#hash) return null;
    const template = this.#slots[slot] as TrailTemplate | null;
    if (template === null || template.size !== record.end - record.offset) return null;
    path.columns.reserve(template.hops.length);
    const isSame =
      template.fits(record, this.#words, base, path) && template.times(record, path.columns.time);
    if (!isSame) return null;
    this.#hash = 0;
    return template;
  }

  /** Notes a trail that `find` had none for: it began `path`, and is read to its end. */
  note(record: RecordCursor, path: Path): void {
    const hash = this.#hash;
    if (hash === 0) return;
    const slot = hash & (SLOTS - 1);
    if (this.#hashes[slot] !== hash) {
      this.#hashes[slot] = hash;
      this.#repeats[slot] = 0;
      this.#slots[slot] = null;
      return;
    }
    const repeats = (this.#repeats[slot] as number) + 1;
    this.#repeats[slot] = repeats % REPEATS;
    if (repeats === REPEATS) {
      this.#slots[slot] = TrailTemplate.of(record, this.#trail, this.#packet, path);
    }
  }

  /** Whether devices are what they were when the templates were made; else all are forgotten. */
  #isValidAt(time: number): boolean {
    const { version, changedAt } = this.#devices;
    if (version !== this.#devicesVersion || this.#places.cleared !== this.#placesCleared) {
      this.#devicesVersion = version;
      this.#placesCleared = this.#places.cleared;
      this.#hashes.fill(0);
      this.#slots.fill(null);
    }
    return time > changedAt;
  }

  /** The bytes of a record as words, from the index that is returned on; -1 where they are none. */
  #wordsOf({ view, offset, end }: RecordCursor): number {
    const at = view.byteOffset + offset;
    // A record's last word may be beyond its end, not beyond the buffer.
    if ((at & 3) !== 0 || view.byteOffset + ((end + 3) & ~3) > view.buffer.byteLength) return -1;
    if (view.buffer !== this.#buffer) {
      this.#buffer = view.buffer;
      this.#words = new Int32Array(view.buffer, 0, view.buffer.byteLength >>> 2);
    }
    return at >>> 2;
  }
}

/** Of a trail's length, its first place and the packet's addresses and ports there; never 0. */
function hashOf(record: RecordCursor, hop: TrailCursor): number {
  const { view } = record;
  let hash = (record.end - record.offset) ^ Math.imul(record.u16(layout.TRAIL_HOPS), 0x9e3779b1);
  hash = mixed(hash, record.u8(layout.TRAIL_END) ^ (hop.stage << 8) ^ (hop.hook << 16));
  hash = mixed(hash, hop.netns ^ Math.imul(hop.ifindex, 31));
  const ip = hop.bytes + hop.snapshotU16(layout.SNAPSHOT_L3_OFFSET);
  const isIpv6 = ip < record.end && view.getUint8(ip) >>> 4 === 6;
  const from = ip + (isIpv6 ? 8 : 12);
  const until = Math.min(from + (isIpv6 ? 36 : 12), record.end - 3);
  for (let at = from; at < until; at += 4) hash = mixed(hash, view.getUint32(at, true));
  return hash === 0 ? 1 : hash;
}

function mixed(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x85ebca6b);
  return product ^ (product >>> 15);
}
