import { readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import {
  CHUNK_CATALOG,
  CHUNK_FOOTER,
  CHUNK_HEADER,
  CHUNK_HEADER_TYPE,
  CHUNK_LIMIT,
  CHUNK_SYMBOLS,
  catalogOf,
  MAGIC,
  message,
  parseFooter,
  parseHeader,
  parseSymbols,
  RECORDING_LIMIT,
  RecordingError,
  type RecordingFooter,
  type RecordingHeader,
} from './recording-format.js';

const GZIP_MAGIC = 0x1f8b;

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
  /** Functions that drops came from, by address; of a recording cut off, those until then. */
  readonly symbols: ReadonlyMap<bigint, string>;
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
    const symbols = rest
      .filter((chunk) => chunk.type === CHUNK_SYMBOLS)
      .flatMap((chunk) => parseSymbols(chunk.payload));
    this.symbols = new Map(
      [...symbols, ...this.footer.symbols].map(([address, name]) => [BigInt(address), name]),
    );
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
