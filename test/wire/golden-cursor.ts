import { Epoch } from '../../src/wire/clock.js';
import { RecordCursor } from '../../src/wire/record-cursor.js';

/** 5 * 2^32: what the golden times count from. */
export const EPOCH = 5n << 32n;
export const SKB = 0xffff_8880_0400_a100n;
export const HEAD = 0xffff_8880_050a_c000n;

/** A cursor on a record that lies between others' bytes, 8 from the beginning. */
export function onRecord(record: Uint8Array): RecordCursor {
  const bytes = new Uint8Array(record.length + 16).fill(0xee);
  bytes.set(record, 8);
  const cursor = new RecordCursor(new Epoch(EPOCH));
  cursor.set(new DataView(bytes.buffer), bytes, 8, record.length);
  return cursor;
}

/** A copy of a record with other bytes from an offset on. */
export function damaged(record: Uint8Array, at: number, ...bytes: number[]): Uint8Array {
  const copy = Uint8Array.from(record);
  copy.set(bytes, at);
  return copy;
}
