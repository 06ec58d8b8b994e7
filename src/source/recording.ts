import { readFileSync, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Catalog, EMPTY_CATALOG } from '../name/catalog.js';
import {
  CHUNK_CATALOG,
  CHUNK_CLUSTER,
  CHUNK_FOOTER,
  CHUNK_HEADER,
  CHUNK_HEADER_TYPE,
  CHUNK_LIMIT,
  CHUNK_SYMBOLS,
  catalogOf,
  MAGIC,
  message,
  nameChangeOf,
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

/**
 * A recording in memory. Of its chunks only the bytes are kept: a small compressed file may
 * unpack to a hundred million of them.
 */
export class Recording {
  readonly header: RecordingHeader;
  readonly footer: RecordingFooter;
  /** The first one. */
  readonly catalog: Catalog;
  /** Functions that drops came from, by address; of a recording cut off, those until then. */
  readonly symbols: ReadonlyMap<bigint, string>;
  /** Whether it ends as a finished recording does. */
  readonly finished: boolean;
  readonly #bytes: Buffer;
  /** Where the chunks after the header begin. */
  readonly #begin: number;

  private constructor(bytes: Buffer) {
    const first = chunkAt(bytes, MAGIC.length);
    if (first?.type !== CHUNK_HEADER_TYPE) {
      throw new RecordingError(
        'RECORDING_NO_HEADER',
        'the recording does not begin with its header',
      );
    }
    this.header = parseHeader(first.payload);
    this.#bytes = bytes;
    this.#begin = MAGIC.length + CHUNK_HEADER + first.payload.byteLength;
    let footer: RecordingFooter | null = null;
    let catalog: Catalog | null = null;
    const symbols = new Map<bigint, string>();
    for (const { type, payload } of this.chunks()) {
      if (type === CHUNK_FOOTER) {
        footer ??= parseFooter(payload);
      } else if (type === CHUNK_CATALOG) {
        // The others too: what is wrong with one is said before anything is shown.
        const parsed = catalogOf(payload);
        catalog ??= parsed;
      } else if (type === CHUNK_CLUSTER) {
        nameChangeOf(payload);
      } else if (type === CHUNK_SYMBOLS) {
        for (const [address, name] of parseSymbols(payload)) symbols.set(BigInt(address), name);
      }
    }
    this.finished = footer !== null;
    this.footer = footer ?? { lost: '0', own: '0', symbols: [] };
    this.catalog = catalog ?? EMPTY_CATALOG;
    for (const [address, name] of this.footer.symbols) symbols.set(BigInt(address), name);
    this.symbols = symbols;
  }

  /** Those after the header, one after the other. */
  *chunks(): Generator<Chunk> {
    for (let at = this.#begin; ; ) {
      const chunk = chunkAt(this.#bytes, at);
      if (chunk === null) return;
      yield chunk;
      at += CHUNK_HEADER + chunk.payload.byteLength;
    }
  }

  /** Reads a file, gzip-compressed or not. */
  static read(path: string): Recording {
    let bytes: Buffer;
    try {
      const status = statSync(path);
      if (!status.isFile()) {
        // A pipe may never end, and a device such as /dev/zero never does.
        throw new RecordingError('RECORDING_NOT_READABLE', `${path} is no regular file`);
      }
      if (status.size > RECORDING_LIMIT) {
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
    return new Recording(buffer);
  }
}

/**
 * The chunk at an offset; null at the end, and where the recording was cut off in the middle of
 * a write: what is whole counts.
 *
 * @throws RecordingError `RECORDING_DAMAGED`
 */
function chunkAt(bytes: Buffer, at: number): Chunk | null {
  if (at + CHUNK_HEADER > bytes.length) return null;
  const type = bytes.readUInt32LE(at);
  const length = bytes.readUInt32LE(at + 4);
  if (length > CHUNK_LIMIT) {
    throw new RecordingError('RECORDING_DAMAGED', `a chunk of ${length} bytes at offset ${at}`);
  }
  const begin = at + CHUNK_HEADER;
  return begin + length > bytes.length
    ? null
    : { type, payload: bytes.subarray(begin, begin + length) };
}

function tooLarge(path: string): RecordingError {
  const what = `${path} is larger than the ${RECORDING_LIMIT} bytes that are held in memory`;
  return new RecordingError('RECORDING_TOO_LARGE', what);
}
