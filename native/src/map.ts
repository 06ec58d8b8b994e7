/** Maps: element access and batched reads. */
import { addon, type NativeMap, type NativeMapEntry } from './addon.js';
import { checkBoolean, checkBytes, checkBytesOf, checkInteger, checkUint32 } from './argument.js';
import { badArgument } from './error.js';
import { mapTypeName } from './kernel-names.js';
import { MapBatch } from './map-batch.js';

/** Largest memory that one `readBatch` asks for: keys and values together, bytes. */
export const READ_BATCH_BYTES_MAX = 256 * 2 ** 20;
/** Entries that one `readBatch` reads when no limit is given, memory permitting. */
export const READ_BATCH_LIMIT = 4096;

export interface ReadBatchOptions {
  /** Most entries to return, 1 to 2^32-1. */
  readonly limit?: number;
  /** Remove what is returned (look-up and delete). */
  readonly remove?: boolean;
  /** Where the last batch of this map ended; absent or null: at the start. */
  readonly cursor?: Uint8Array | null;
}

export interface Batch {
  readonly count: number;
  /** `count` keys of `keySize` bytes, one after the other. */
  readonly keys: Uint8Array;
  /** `count` values of `valueBytes` bytes, in the order of the keys. */
  readonly values: Uint8Array;
  /** Pass it on to go on; null when the map is at its end. */
  readonly cursor: Uint8Array | null;
  /** False when the map's type has no batch operation and it was read one by one. */
  readonly batched: boolean;
}

export class BpfMap {
  readonly name: string;
  /** enum bpf_map_type. */
  readonly type: number;
  /** Such as `lru_hash`. */
  readonly typeName: string;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes of one value, on one CPU. */
  readonly valueSize: number;
  /** Throws BPF_CLOSED once the map's object is closed. */
  readonly #checkOpen: (operation: string) => void;
  readonly #openMap: (operation: string) => NativeMap;
  #maxEntries: number;
  #open: { handle: NativeMap; valueBytes: number } | null = null;

  /** @internal `checkOpen` throws where the map is gone; `openMap` is called once. */
  constructor(
    entry: NativeMapEntry,
    checkOpen: (operation: string) => void,
    openMap: (operation: string) => NativeMap,
  ) {
    this.#checkOpen = checkOpen;
    this.#openMap = openMap;
    this.name = entry.name;
    this.type = entry.type;
    this.typeName = mapTypeName(entry.type);
    this.keySize = entry.keySize;
    this.valueSize = entry.valueSize;
    this.#maxEntries = entry.maxEntries;
  }

  /** Entries, or bytes for a ring buffer; as set before load. */
  get maxEntries(): number {
    return this.#maxEntries;
  }

  /**
   * Bytes of a value as read and written: `valueSize`, or for a per-CPU map one
   * value, rounded up to 8 bytes, for each possible CPU in order. After load only.
   */
  get valueBytes(): number {
    return this.#loaded('valueBytes').valueBytes;
  }

  /** The value, or null when there is none. */
  get(key: Uint8Array): Uint8Array | null {
    const { handle } = this.#loaded('get');
    return addon.mapGet(handle, checkBytesOf('get', 'key', key, this.keySize));
  }

  /** `flags`: 0 or BPF_ANY, 1 BPF_NOEXIST (EEXIST), 2 BPF_EXIST (ENOENT). E2BIG: full. */
  put(key: Uint8Array, value: Uint8Array, flags = 0): void {
    const { handle, valueBytes } = this.#loaded('put');
    addon.mapPut(
      handle,
      checkBytesOf('put', 'key', key, this.keySize),
      checkBytesOf('put', 'value', value, valueBytes),
      checkInteger('put', 'flags', flags, 0, 2 ** 32 - 1),
    );
  }

  /** Whether there was one to remove. */
  delete(key: Uint8Array): boolean {
    const { handle } = this.#loaded('delete');
    return addon.mapDelete(handle, checkBytesOf('delete', 'key', key, this.keySize));
  }

  /**
   * Every key, one system call each. When the map changes meanwhile, keys may be
   * missed or come twice, never more than `maxEntries` in all.
   */
  *keys(): Generator<Uint8Array, void, undefined> {
    let key = addon.mapNextKey(this.#loaded('keys').handle, null);
    for (let seen = 0; key !== null && seen < this.#maxEntries; seen++) {
      // The caller may change what it is given; the cursor is ours.
      const cursor: Uint8Array = key;
      yield cursor.slice();
      key = addon.mapNextKey(this.#loaded('keys').handle, cursor);
    }
  }

  /** Keys with their values; those removed meanwhile are passed over. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array], void, undefined> {
    for (const key of this.keys()) {
      const value = this.get(key);
      if (value !== null) yield [key, value];
    }
  }

  /**
   * Many entries in one system call (Linux 5.6), packed. ENOSPC: `limit` is smaller
   * than the entries of one hash bucket; raise it.
   */
  readBatch(options: ReadBatchOptions = {}): Batch {
    const { handle, valueBytes } = this.#loaded('readBatch');
    const entryBytes = this.keySize + valueBytes;
    const fitting = Math.max(1, Math.floor(READ_BATCH_BYTES_MAX / Math.max(1, entryBytes)));
    const limit =
      options.limit === undefined
        ? Math.min(READ_BATCH_LIMIT, fitting)
        : checkUint32('readBatch', 'limit', options.limit, 1);
    if (limit > fitting) {
      throw badArgument(
        'readBatch',
        `limit ${limit} needs more than ${READ_BATCH_BYTES_MAX} bytes; at most ${fitting}`,
      );
    }
    const remove = checkBoolean('readBatch', 'remove', options.remove ?? false);
    const cursor = options.cursor ?? null;
    if (cursor !== null) {
      checkBytes('readBatch', 'cursor', cursor);
      if (cursor.length !== Math.max(4, this.keySize) && cursor.length !== this.keySize) {
        throw badArgument('readBatch', 'cursor is not one that readBatch returned');
      }
    }
    return addon.mapReadBatch(handle, limit, remove, cursor, true);
  }

  /**
   * Room for `limit` entries, for `lookupBatch`, `lookupAndDeleteBatch` and `take`.
   * BPF_BAD_ARGUMENT: it would need more than READ_BATCH_BYTES_MAX.
   */
  batch(limit = READ_BATCH_LIMIT): MapBatch {
    const { handle, valueBytes } = this.#loaded('batch');
    const entryBytes = Math.max(1, this.keySize + valueBytes);
    const fitting = Math.max(1, Math.floor(READ_BATCH_BYTES_MAX / entryBytes));
    return new MapBatch(
      handle,
      checkInteger('batch', 'limit', limit, 1, fitting),
      this.keySize,
      valueBytes,
    );
  }

  /**
   * Fills the batch with the entries after those it last had, in one system call
   * (Linux 5.6), and returns how many: 0 or few does not mean the end, `atEnd` does.
   * Entries that stay in the map meanwhile come once in a walk. ENOSPC: the batch is
   * smaller than one hash bucket. ENOTSUPP: the map's type has no batches.
   */
  lookupBatch(batch: MapBatch): number {
    return checkBatch('lookupBatch', batch).fill(
      'lookupBatch',
      this.#loaded('lookupBatch').handle,
      false,
    );
  }

  /** The same, and the entries are removed. */
  lookupAndDeleteBatch(batch: MapBatch): number {
    return checkBatch('lookupAndDeleteBatch', batch).fill(
      'lookupAndDeleteBatch',
      this.#loaded('lookupAndDeleteBatch').handle,
      true,
    );
  }

  /**
   * Removes the first `count` keys of the batch, which the caller has written there, and
   * leaves those that were in the map, each with its last value (Linux 5.14 for hashes).
   * One system call a key. After a failure half way the rest is still in the map.
   */
  take(batch: MapBatch, count: number): number {
    const { handle } = this.#loaded('take');
    const checked = checkBatch('take', batch);
    return checked.take(handle, checkInteger('take', 'count', count, 0, checked.limit));
  }

  /** Its descriptor, for `sendDescriptors`: it stays the map's. After load only. */
  descriptor(): number {
    return addon.mapDescriptor(this.#loaded('descriptor').handle);
  }

  /** @internal the native handle of a loaded map. */
  nativeHandle(operation: string): NativeMap {
    return this.#loaded(operation).handle;
  }

  /** @internal called by BpfObject.setMapMaxEntries and reuseMap. */
  resized(entries: number): void {
    this.#maxEntries = entries;
  }

  #loaded(operation: string): { handle: NativeMap; valueBytes: number } {
    this.#checkOpen(operation);
    if (this.#open === null) {
      const handle = this.#openMap(operation);
      this.#open = { handle, valueBytes: addon.mapValueBytes(handle) };
    }
    return this.#open;
  }
}

/**
 * A map of another process, whose descriptor that process has handed over; it has a descriptor of
 * its own from then on. Reading one needs no privilege from Linux 5.19 on (commit c8644cd0efe7).
 *
 * @throws BpfError `BPF_BAD_ARGUMENT`; `EBADF`, `EINVAL` when it is no map
 */
export function adoptMap(descriptor: number): BpfMap {
  const checked = checkInteger('adoptMap', 'descriptor', descriptor, 0, 2 ** 31 - 1);
  const [handle, name, type, keySize, valueSize, maxEntries] = addon.mapAdopt(checked);
  return new BpfMap(
    { name, type, keySize, valueSize, maxEntries },
    () => undefined,
    () => handle,
  );
}

function checkBatch(operation: string, batch: unknown): MapBatch {
  if (!(batch instanceof MapBatch)) throw badArgument(operation, 'batch must be a MapBatch');
  return batch;
}
