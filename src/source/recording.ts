import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { HopscopeError } from '../model/errors.js';
import { type Catalog, CatalogError, EMPTY_CATALOG, parseCatalog } from '../name/catalog.js';
import * as layout from '../wire/layout.gen.js';
import type { SourceSink } from './source.js';

/*
 * A recording: 8 bytes of magic, then chunks.
 *
 *   0        4        8
 *   +--------+--------+---------…
 *   |  type  | length | payload
 *   +--------+--------+---------…   both numbers u32, little-endian
 *
 *   HEADER   JSON RecordingHeader, first and once
 *   CATALOG  JSON Catalog, whenever names changed
 *   BATCH    framed records as they were drained
 *   TICK     u64 kernel monotonic ns, where the daemon looked at the clock
 *   FOOTER   JSON RecordingFooter, last; absent when recording was cut off
 */
const MAGIC = 'HOPSREC1';
const CHUNK_HEADER = 8;
export const CHUNK_HEADER_TYPE = 1;
export const CHUNK_CATALOG = 2;
export const CHUNK_BATCH = 3;
export const CHUNK_TICK = 4;
export const CHUNK_FOOTER = 5;
/** Largest chunk taken from a file, bytes; a batch is at most 4 MiB. */
export const CHUNK_LIMIT = 64 << 20;
/** Largest recording taken, bytes: it is held in memory, and a small file may unpack to more. */
export const RECORDING_LIMIT = 1 << 30;
/** Ticks closer than this together add nothing. */
const TICK_NS = 20_000_000n;
const GZIP_MAGIC = 0x1f8b;

export interface RecordingHeader {
  readonly format: 1;
  /** Fingerprint of the wire layout the records were written with. */
  readonly layout: string;
  readonly epochNs: string;
  readonly kernel: string;
  readonly missing: readonly string[];
}

export interface RecordingFooter {
  /** What could not be seen, as known at the end; absent in recordings of older versions. */
  readonly missing?: readonly string[];
  readonly lost: string;
  readonly own: string;
  /** Functions found for addresses that drops came from. */
  readonly symbols: readonly (readonly [string, string])[];
}

export class RecordingError extends HopscopeError {}

/** Changes when the meaning of recorded bytes does. */
export function layoutFingerprint(): string {
  // By name: a module's own order of names is sorted only where no tool has rewritten it.
  const entries = Object.entries(layout).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(Object.fromEntries(entries));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Writes a recording, chunk by chunk, so that one cut off is still good up to there. */
export class RecordingWriter implements SourceSink {
  /** Bytes written so far. */
  bytes = 0;
  /** Told once, of the first failure; nothing is written from then on. */
  onFailure: (error: RecordingError) => void = () => undefined;
  readonly #path: string;
  readonly #file: number;
  #failure: RecordingError | null = null;
  #lastTick = 0n;

  constructor(path: string, header: RecordingHeader) {
    this.#path = path;
    try {
      this.#file = openSync(path, 'w');
    } catch (cause) {
      throw this.#notWritable(cause);
    }
    this.#write(Buffer.from(MAGIC, 'latin1'));
    this.#chunk(CHUNK_HEADER_TYPE, json(header));
  }

  catalog(catalog: Catalog): void {
    this.#chunk(CHUNK_CATALOG, json(catalog));
  }

  batch(records: Uint8Array, length: number): void {
    this.#chunk(CHUNK_BATCH, records.subarray(0, length));
  }

  tick(now: bigint): void {
    if (now - this.#lastTick < TICK_NS) {
      return;
    }
    this.#lastTick = now;
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64LE(now);
    this.#chunk(CHUNK_TICK, payload);
  }

  end(): void {
    // The footer needs what only the command knows: see `finish`.
  }

  /** @throws RecordingError `RECORDING_NOT_WRITABLE` when not everything was written */
  finish(footer: RecordingFooter): void {
    this.#chunk(CHUNK_FOOTER, json(footer));
    closeSync(this.#file);
    if (this.#failure !== null) {
      throw this.#failure;
    }
  }

  #notWritable(cause: unknown): RecordingError {
    const what = `cannot write ${this.#path}: ${message(cause)}`;
    return new RecordingError('RECORDING_NOT_WRITABLE', what, { cause });
  }

  #chunk(type: number, payload: Uint8Array): void {
    const header = Buffer.alloc(CHUNK_HEADER);
    header.writeUInt32LE(type, 0);
    header.writeUInt32LE(payload.byteLength, 4);
    this.#write(header);
    this.#write(payload);
  }

  #write(bytes: Uint8Array): void {
    if (this.#failure !== null) {
      return;
    }
    try {
      let done = 0;
      while (done < bytes.byteLength) {
        done += writeSync(this.#file, bytes, done);
      }
    } catch (cause) {
      // A full disk, say. It must not end the pipeline that hands over the records.
      this.#failure = this.#notWritable(cause);
      this.onFailure(this.#failure);
      return;
    }
    this.bytes += bytes.byteLength;
  }
}

export interface Chunk {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** A recording in memory. */
export class Recording {
  readonly header: RecordingHeader;
  readonly footer: RecordingFooter;
  /** The first one. */
  readonly catalog: Catalog;
  readonly catalogs: ReadonlyMap<Chunk, Catalog>;
  readonly chunks: readonly Chunk[];
  /** Whether it ends as a finished recording does. */
  readonly finished: boolean;

  private constructor(chunks: readonly Chunk[]) {
    const [first, ...rest] = chunks;
    if (first?.type !== CHUNK_HEADER_TYPE) {
      throw new RecordingError(
        'RECORDING_NO_HEADER',
        'the recording does not begin with its header',
      );
    }
    this.header = parseHeader(first.payload);
    const footer = rest.find((chunk) => chunk.type === CHUNK_FOOTER);
    this.finished = footer !== undefined;
    this.footer =
      footer === undefined ? { lost: '0', own: '0', symbols: [] } : parseFooter(footer.payload);
    this.catalogs = new Map(
      rest
        .filter((chunk) => chunk.type === CHUNK_CATALOG)
        .map((chunk) => [chunk, catalogOf(chunk.payload)]),
    );
    const [catalog] = this.catalogs.values();
    this.catalog = catalog ?? EMPTY_CATALOG;
    this.chunks = rest;
  }

  /** Reads a file, gzip-compressed or not. */
  static read(path: string): Recording {
    let bytes: Buffer;
    try {
      if (statSync(path).size > RECORDING_LIMIT) {
        throw tooLarge(path);
      }
      bytes = readFileSync(path);
    } catch (cause) {
      if (cause instanceof RecordingError) {
        throw cause;
      }
      throw new RecordingError('RECORDING_NOT_READABLE', `cannot read ${path}: ${message(cause)}`, {
        cause,
      });
    }
    if (bytes.length > 2 && bytes.readUInt16BE(0) === GZIP_MAGIC) {
      try {
        bytes = gunzipSync(bytes, { maxOutputLength: RECORDING_LIMIT });
      } catch (cause) {
        if (cause instanceof RangeError) {
          throw tooLarge(path);
        }
        throw new RecordingError('RECORDING_DAMAGED', `${path}: ${message(cause)}`, { cause });
      }
    }
    return Recording.parse(bytes);
  }

  static parse(bytes: Uint8Array): Recording {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (buffer.toString('latin1', 0, MAGIC.length) !== MAGIC) {
      throw new RecordingError('RECORDING_NOT_ONE', 'this is not a hopscope recording');
    }
    const chunks: Chunk[] = [];
    let at = MAGIC.length;
    while (at + CHUNK_HEADER <= buffer.length) {
      const type = buffer.readUInt32LE(at);
      const length = buffer.readUInt32LE(at + 4);
      const end = at + CHUNK_HEADER + length;
      if (length > CHUNK_LIMIT) {
        throw new RecordingError('RECORDING_DAMAGED', `a chunk of ${length} bytes at offset ${at}`);
      }
      if (end > buffer.length) {
        // Recording was cut off in the middle of a write: what is whole counts.
        break;
      }
      chunks.push({ type, payload: buffer.subarray(at + CHUNK_HEADER, end) });
      at = end;
    }
    return new Recording(chunks);
  }
}

function tooLarge(path: string): RecordingError {
  const what = `${path} is larger than the ${RECORDING_LIMIT} bytes that are held in memory`;
  return new RecordingError('RECORDING_TOO_LARGE', what);
}

function parseHeader(payload: Uint8Array): RecordingHeader {
  const header = parseObject(payload, 'header');
  if (header['format'] !== 1) {
    throw new RecordingError(
      'RECORDING_VERSION',
      'the recording has a format this version cannot read',
    );
  }
  const layout = header['layout'];
  if (layout !== layoutFingerprint()) {
    throw new RecordingError(
      'RECORDING_LAYOUT',
      'the recording was made by a version with another record layout; record it again',
    );
  }
  const { epochNs, kernel, missing } = header;
  if (!isDecimal(epochNs) || typeof kernel !== 'string' || !isTextList(missing)) {
    throw new RecordingError('RECORDING_DAMAGED', 'the header of the recording is not whole');
  }
  return { format: 1, layout, epochNs, kernel, missing };
}

function parseFooter(payload: Uint8Array): RecordingFooter {
  const { lost, own, symbols, missing } = parseObject(payload, 'footer');
  if (
    !isDecimal(lost) ||
    !isDecimal(own) ||
    !isSymbolList(symbols) ||
    !(missing === undefined || isTextList(missing))
  ) {
    throw new RecordingError('RECORDING_DAMAGED', 'the footer of the recording is not whole');
  }
  return { lost, own, symbols, ...(missing === undefined ? {} : { missing }) };
}

function catalogOf(payload: Uint8Array): Catalog {
  try {
    return parseCatalog(parse(payload));
  } catch (cause) {
    if (cause instanceof CatalogError) {
      const what = `the names in the recording: ${cause.message}`;
      throw new RecordingError('RECORDING_DAMAGED', what, { cause });
    }
    throw cause;
  }
}

/** A count or a time as text, 64 bits wide. */
function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && /^\d{1,20}$/u.test(value);
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isSymbolList(value: unknown): value is readonly (readonly [string, string])[] {
  return (
    Array.isArray(value) &&
    value.every(
      (each) =>
        Array.isArray(each) &&
        each.length === 2 &&
        isDecimal(each[0]) &&
        typeof each[1] === 'string',
    )
  );
}

function parseObject(payload: Uint8Array, what: string): Readonly<Record<string, unknown>> {
  const value = parse(payload);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RecordingError('RECORDING_DAMAGED', `the ${what} of the recording is not an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch (cause) {
    throw new RecordingError('RECORDING_DAMAGED', 'a chunk of the recording is not JSON', {
      cause,
    });
  }
}

function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
