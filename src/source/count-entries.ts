import type { CountCursor } from '../wire/count-cursor.js';
import { SIZEOF_COUNT, SIZEOF_COUNT_KEY } from '../wire/count-layout.gen.js';

/** Bytes before the key of an entry: u8 gone, 7 zeros. */
const HEADER_BYTES = 8;
/** An entry of the kernel's counter where it is kept or sent: header, key, value. */
export const COUNT_ENTRY_BYTES = HEADER_BYTES + SIZEOF_COUNT_KEY + SIZEOF_COUNT;

/** A copy of the entry that a cursor is on. */
export function countEntry(row: CountCursor): Uint8Array {
  const entry = new Uint8Array(COUNT_ENTRY_BYTES);
  const [key, value] = row.entry;
  entry[0] = row.gone ? 1 : 0;
  entry.set(key, HEADER_BYTES);
  entry.set(value, HEADER_BYTES + SIZEOF_COUNT_KEY);
  return entry;
}

/**
 * Gives each of some entries, one after the other; what is left over at the end is none.
 *
 * @param change may change a copy of an entry's value before it is given
 */
export function giveCounts(
  entries: Uint8Array,
  row: CountCursor,
  give: (row: CountCursor) => void,
  change: (value: DataView) => void = () => undefined,
): void {
  // One for all: of views made for each entry there were 5, a third of what a count took.
  const entry = new Uint8Array(COUNT_ENTRY_BYTES);
  const key = entry.subarray(HEADER_BYTES, HEADER_BYTES + SIZEOF_COUNT_KEY);
  const value = entry.subarray(HEADER_BYTES + SIZEOF_COUNT_KEY);
  const view = new DataView(value.buffer, value.byteOffset);
  for (let at = 0; at + COUNT_ENTRY_BYTES <= entries.byteLength; at += COUNT_ENTRY_BYTES) {
    entry.set(entries.subarray(at, at + COUNT_ENTRY_BYTES));
    change(view);
    row.borrow(key, value, 1, entry[0] === 1);
    while (row.next()) give(row);
  }
}
