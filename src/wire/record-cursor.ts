import type { Epoch } from './clock.js';
import * as layout from './layout.gen.js';

/** What stands before each record in a drained batch: u32 length, u32 zero. */
export const FRAME_HEADER = 8;

/** Why a record, or what was left of a trail, was refused; the keys of the `malformed` counters. */
const WIRE_ERRORS = [
  'WIRE_TRUNCATED_FRAME',
  'WIRE_SHORT_RECORD',
  'WIRE_SIZE_MISMATCH',
  'WIRE_UNKNOWN_TYPE',
  'WIRE_BAD_TRAIL',
  'WIRE_BAD_SNAPSHOT',
  'WIRE_BAD_STAGE',
] as const;
export type WireErrorCode = (typeof WIRE_ERRORS)[number];
export type WireErrorCounts = Record<WireErrorCode, number>;

export function noWireErrors(): WireErrorCounts {
  return Object.fromEntries(WIRE_ERRORS.map((code) => [code, 0])) as WireErrorCounts;
}

/** Smallest size by record type; 0 for a type that there is not. A trail is longer by its hops. */
const LEAST_SIZE: readonly number[] = Object.assign([0, 0, 0, 0, 0], {
  [layout.RECORD_TRAIL]: layout.SIZEOF_TRAIL + layout.SIZEOF_HOP,
  [layout.RECORD_DEVICE]: layout.SIZEOF_DEVICE,
  [layout.RECORD_DELIVER]: layout.SIZEOF_DELIVER,
  [layout.RECORD_CONNECT]: layout.SIZEOF_CONNECT,
});

/** What is wrong with a record of `length` bytes at `start`, or null. */
export function recordError(view: DataView, start: number, length: number): WireErrorCode | null {
  if (length < layout.SIZEOF_HEADER) {
    return 'WIRE_SHORT_RECORD';
  }
  const least = LEAST_SIZE[view.getUint16(start + layout.HEADER_TYPE, true)] ?? 0;
  if (least === 0) {
    return 'WIRE_UNKNOWN_TYPE';
  }
  // A newer kernel object may append to a record; it may not shorten one.
  return length < least || view.getUint16(start + layout.HEADER_SIZE, true) !== length
    ? 'WIRE_SIZE_MISMATCH'
    : null;
}

/** What is left of a trail whose next hops are another packet's. */
export interface TrailRest {
  /** Of the next hop, ns since the epoch. */
  readonly time: number;
  /** Offset in the record of the next hop, and how many there are from there on. */
  readonly at: number;
  readonly hops: number;
  /** What the reader knows by the hops before. */
  readonly context: unknown;
}

/**
 * One record of a batch. It borrows: its fields are valid until it is set on the next
 * record and no longer than the bytes.
 *
 * Addresses of the kernel (`skb`, `head`, `sock`) are given by their low 48 bits, which
 * are enough to distinguish them and fit a double; times are nanoseconds since the epoch given.
 */
export class RecordCursor {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  /** Offset in `bytes` of the record, and of its end. */
  offset = 0;
  end = 0;
  type = 0;
  time = 0;
  skb = 0;
  /** Where to go on in a trail of which a part was read; null at its beginning. */
  from: TrailRest | null = null;
  /** Set by a reader that wants the rest of a trail when everything before it was given out. */
  rest: TrailRest | null = null;
  readonly #epoch: Epoch;

  constructor(epoch: Epoch) {
    this.#epoch = epoch;
  }

  /** Sets it on a record that `recordError` found nothing wrong with. */
  set(view: DataView, bytes: Uint8Array, start: number, length: number): void {
    this.view = view;
    this.bytes = bytes;
    this.offset = start;
    this.end = start + length;
    this.type = view.getUint16(start + layout.HEADER_TYPE, true);
    this.time = this.#epoch.sinceHalves(
      view.getUint32(start + layout.HEADER_TIME, true),
      view.getUint32(start + layout.HEADER_TIME + 4, true),
    );
    this.skb = this.address(layout.HEADER_SKB);
    this.from = null;
    this.rest = null;
  }

  /** An address of the kernel, its low 48 bits. */
  address(field: number): number {
    const at = this.offset + field;
    return (
      (this.view.getUint32(at + 4, true) & 0xffff) * 4294967296 + this.view.getUint32(at, true)
    );
  }

  u8(field: number): number {
    return this.view.getUint8(this.offset + field);
  }

  u16(field: number): number {
    return this.view.getUint16(this.offset + field, true);
  }

  u32(field: number): number {
    return this.view.getUint32(this.offset + field, true);
  }

  /** A NUL-terminated string in a field of `size` bytes. */
  text(field: number, size: number): string {
    const start = this.offset + field;
    let result = '';
    for (let i = start; i < start + size; i++) {
      const code = this.bytes[i] ?? 0;
      if (code === 0) {
        break;
      }
      result += String.fromCharCode(code);
    }
    return result;
  }
}
