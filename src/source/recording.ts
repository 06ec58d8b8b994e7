import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { HopscopeError } from '../model/errors.js';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
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
/** Largest chunk taken from a file; a batch is at most 4 MiB. */
const CHUNK_LIMIT = 64 << 20;
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
  readonly lost: string;
  readonly own: string;
  /** Functions found for addresses that drops came from. */
  readonly symbols: readonly (readonly [string, string])[];
}

export class RecordingError extends HopscopeError {}

/** Changes when the meaning of recorded bytes does. */
export function layoutFingerprint(): string {
  return createHash('sha256').update(JSON.stringify(layout)).digest('hex').slice(0, 16);
}

/** Writes a recording, chunk by chunk, so that one cut off is still good up to there. */
export class RecordingWriter implements SourceSink {
  /** Bytes written so far. */
  bytes = 0;
  readonly #file: number;
  #lastTick = 0n;

  constructor(path: string, header: RecordingHeader) {
    try {
      this.#file = openSync(path, 'w');
    } catch (cause) {
      throw new RecordingError(
        'RECORDING_NOT_WRITABLE',
        `cannot write ${path}: ${message(cause)}`,
        {
          cause,
        },
      );
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

  finish(footer: RecordingFooter): void {
    this.#chunk(CHUNK_FOOTER, json(footer));
    closeSync(this.#file);
  }

  #chunk(type: number, payload: Uint8Array): void {
    const header = Buffer.alloc(CHUNK_HEADER);
    header.writeUInt32LE(type, 0);
    header.writeUInt32LE(payload.byteLength, 4);
    this.#write(header);
    this.#write(payload);
  }

  #write(bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.byteLength) {
      done += writeSync(this.#file, bytes, done);
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
  readonly catalog: Catalog;
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
      footer === undefined
        ? { lost: '0', own: '0', symbols: [] }
        : (parse(footer.payload) as RecordingFooter);
    const catalog = rest.find((chunk) => chunk.type === CHUNK_CATALOG);
    this.catalog = catalog === undefined ? EMPTY_CATALOG : (parse(catalog.payload) as Catalog);
    this.chunks = rest;
  }

  /** Reads a file, gzip-compressed or not. */
  static read(path: string): Recording {
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (cause) {
      throw new RecordingError('RECORDING_NOT_READABLE', `cannot read ${path}: ${message(cause)}`, {
        cause,
      });
    }
    if (bytes.length > 2 && bytes.readUInt16BE(0) === GZIP_MAGIC) {
      try {
        bytes = gunzipSync(bytes);
      } catch (cause) {
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

function parseHeader(payload: Uint8Array): RecordingHeader {
  const header = parse(payload) as Partial<RecordingHeader>;
  if (header.format !== 1 || typeof header.epochNs !== 'string') {
    throw new RecordingError(
      'RECORDING_VERSION',
      'the recording has a format this version cannot read',
    );
  }
  if (header.layout !== layoutFingerprint()) {
    throw new RecordingError(
      'RECORDING_LAYOUT',
      'the recording was made by a version with another record layout; record it again',
    );
  }
  return header as RecordingHeader;
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
