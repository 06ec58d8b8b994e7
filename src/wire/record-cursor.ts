import type { Epoch } from './clock.js';
import * as layout from './layout.gen.js';

/** What stands in front of each record in a drained batch: u32 length, u32 zero. */
export const FRAME_HEADER = 8;

/** Why a record was refused; the keys of the `malformed` counters. */
export const WIRE_ERRORS = [
  'WIRE_TRUNCATED_FRAME',
  'WIRE_SHORT_RECORD',
  'WIRE_SIZE_MISMATCH',
  'WIRE_UNKNOWN_TYPE',
  'WIRE_BAD_SNAP_LENGTH',
  'WIRE_BAD_STAGE',
] as const;
export type WireErrorCode = (typeof WIRE_ERRORS)[number];

/** By record type; 0 for a type that there is not. */
const EXPECTED_SIZE: readonly number[] = Object.assign([0, 0, 0, 0, 0, 0], {
  [layout.RECORD_HOP]: layout.SIZEOF_HOP,
  [layout.RECORD_HOP_CT]: layout.SIZEOF_HOP_CT,
  [layout.RECORD_FREE]: layout.SIZEOF_FREE,
  [layout.RECORD_DELIVER]: layout.SIZEOF_DELIVER,
  [layout.RECORD_CONNECT]: layout.SIZEOF_CONNECT,
});

/**
 * Walks the records of one batch. It borrows: its fields and `bytes` are valid
 * until the next `next()` and no longer than the batch.
 *
 * Addresses of the kernel (`skb`, `head`, `sock`) are given by their low 48 bits, which
 * tell them apart and fit a double; times are nanoseconds since the epoch given.
 */
export class RecordCursor {
  readonly malformed: Record<WireErrorCode, number> = {
    WIRE_TRUNCATED_FRAME: 0,
    WIRE_SHORT_RECORD: 0,
    WIRE_SIZE_MISMATCH: 0,
    WIRE_UNKNOWN_TYPE: 0,
    WIRE_BAD_SNAP_LENGTH: 0,
    WIRE_BAD_STAGE: 0,
  };
  /** Records given out so far. */
  records = 0;

  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  /** Offset in `bytes` of the current record. */
  offset = 0;
  type = 0;
  time = 0;
  skb = 0;

  readonly #epoch: Epoch;
  #next = 0;
  #end = 0;

  constructor(epoch: Epoch) {
    this.#epoch = epoch;
  }

  /** Starts on `length` bytes of a batch. */
  borrow(batch: Uint8Array, length: number): void {
    if (this.bytes !== batch) {
      this.bytes = batch;
      this.view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
    }
    this.#next = 0;
    this.#end = Math.min(length, batch.byteLength);
  }

  /** Moves to the next good record; false at the end of the batch. */
  next(): boolean {
    const view = this.view;
    while (this.#next < this.#end) {
      if (this.#next + FRAME_HEADER > this.#end) {
        this.malformed.WIRE_TRUNCATED_FRAME += 1;
        this.#next = this.#end;
        return false;
      }
      const length = view.getUint32(this.#next, true);
      const start = this.#next + FRAME_HEADER;
      if (start + length > this.#end) {
        this.malformed.WIRE_TRUNCATED_FRAME += 1;
        this.#next = this.#end;
        return false;
      }
      this.#next = start + ((length + 7) & ~7);
      if (this.#accept(start, length)) {
        this.records += 1;
        return true;
      }
    }
    return false;
  }

  #accept(start: number, length: number): boolean {
    const view = this.view;
    if (length < layout.SIZEOF_HEADER) {
      this.malformed.WIRE_SHORT_RECORD += 1;
      return false;
    }
    const type = view.getUint16(start + layout.HEADER_TYPE, true);
    const expected = EXPECTED_SIZE[type] ?? 0;
    if (expected === 0) {
      this.malformed.WIRE_UNKNOWN_TYPE += 1;
      return false;
    }
    // A newer kernel object may append to a record; it may not shorten one.
    if (length < expected || view.getUint16(start + layout.HEADER_SIZE, true) !== length) {
      this.malformed.WIRE_SIZE_MISMATCH += 1;
      return false;
    }
    if (type === layout.RECORD_HOP || type === layout.RECORD_HOP_CT) {
      if (view.getUint16(start + layout.HOP_SNAP_LEN, true) > layout.SNAP_LENGTH) {
        this.malformed.WIRE_BAD_SNAP_LENGTH += 1;
        return false;
      }
      const stage = view.getUint8(start + layout.HOP_STAGE);
      if (stage < layout.STAGE_EGRESS || stage > layout.STAGE_DROP) {
        this.malformed.WIRE_BAD_STAGE += 1;
        return false;
      }
    }
    this.offset = start;
    this.type = type;
    this.time = this.#epoch.sinceHalves(
      view.getUint32(start + layout.HEADER_TIME, true),
      view.getUint32(start + layout.HEADER_TIME + 4, true),
    );
    this.skb = this.#address(start + layout.HEADER_SKB);
    return true;
  }

  #address(offset: number): number {
    return (
      (this.view.getUint32(offset + 4, true) & 0xffff) * 4294967296 +
      this.view.getUint32(offset, true)
    );
  }

  get cpu(): number {
    return this.view.getUint32(this.offset + layout.HEADER_CPU, true);
  }

  // The rest is meaningful for hop records only.

  get hasConntrack(): boolean {
    return this.type === layout.RECORD_HOP_CT;
  }

  get head(): number {
    return this.#address(this.offset + layout.HOP_HEAD);
  }

  /** As `head`, of a deliver record. */
  get deliverHead(): number {
    return this.#address(this.offset + layout.DELIVER_HEAD);
  }

  /** The socket that the buffer is charged to, 0 for none; of a hop record. */
  get sock(): number {
    return this.#address(this.offset + layout.HOP_SOCK);
  }

  /** The socket that is given the packet, 0 when unknown; of a deliver record. */
  get deliverSock(): number {
    return this.#address(this.offset + layout.DELIVER_SOCK);
  }

  /** The socket that is about to connect; of a connect record. */
  get connectSock(): number {
    return this.#address(this.offset + layout.CONNECT_SOCK);
  }

  /** Address in the kernel's text, whole. */
  get location(): bigint {
    return this.view.getBigUint64(this.offset + layout.HOP_LOCATION, true);
  }

  u8(field: number): number {
    return this.view.getUint8(this.offset + field);
  }

  u16(field: number): number {
    return this.view.getUint16(this.offset + field, true);
  }

  /** A 16-bit field that the kernel keeps in network order. */
  u16be(field: number): number {
    return this.view.getUint16(this.offset + field, false);
  }

  u32(field: number): number {
    return this.view.getUint32(this.offset + field, true);
  }

  u32be(field: number): number {
    return this.view.getUint32(this.offset + field, false);
  }

  i32(field: number): number {
    return this.view.getInt32(this.offset + field, true);
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
