/** Room for a batch of a map's entries, made once and filled again and again. */
import { addon, type NativeMap } from './addon.js';
import { badArgument } from './error.js';

/**
 * What `BpfMap.batch()` makes. The entries in it are valid until it is filled again.
 * Nothing is allocated for an entry, nor for a batch.
 */
export class MapBatch {
  /** Most entries. */
  readonly limit: number;
  /** `count` keys of `keySize` bytes, one after the other. */
  readonly keys: Uint8Array;
  /** `count` values of `valueBytes` bytes, in the order of the keys. */
  readonly values: Uint8Array;
  /** Entries in it. */
  count = 0;
  readonly #map: NativeMap;
  readonly #cursor: Uint8Array;
  /** Whether a walk is under way; entries; whether there may be more. */
  readonly #state = Uint32Array.of(0, 0, 1);

  /** @internal */
  constructor(map: NativeMap, limit: number, keySize: number, valueBytes: number) {
    this.#map = map;
    this.limit = limit;
    this.keys = new Uint8Array(limit * keySize);
    this.values = new Uint8Array(limit * valueBytes);
    // The kernel's cursor is a key for arrays and tries and a u32 for hashes.
    this.#cursor = new Uint8Array(Math.max(4, keySize));
  }

  /** Whether the last fill reached the end of the map; the next one starts again. */
  get atEnd(): boolean {
    return this.#state[2] === 0;
  }

  /** Starts the next fill at the beginning of the map. */
  rewind(): void {
    this.#state[0] = 0;
    this.#state[2] = 1;
    this.count = 0;
  }

  /** @internal */
  fill(operation: string, map: NativeMap, remove: boolean): number {
    this.#check(operation, map);
    if (this.atEnd) this.rewind();
    this.#state[1] = this.limit;
    // A failed fill leaves nothing in it that looks like an entry.
    this.count = 0;
    addon.mapFillBatch(map, remove, this.keys, this.values, this.#cursor, this.#state);
    this.count = this.#state[1] ?? 0;
    return this.count;
  }

  /** @internal */
  take(map: NativeMap, count: number): number {
    this.#check('take', map);
    this.count = 0;
    this.count = addon.mapTakeKeys(map, this.keys, this.values, count);
    return this.count;
  }

  #check(operation: string, map: NativeMap): void {
    if (map !== this.#map) throw badArgument(operation, 'the batch belongs to another map');
  }
}
