import { closeSync, fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import type { Seen } from 'hopscope-protocol';
import type { Catalog } from '../name/catalog.js';
import type { NameChange } from '../name/cluster-names.js';
import type { CountCursor } from '../wire/count-cursor.js';
import { countEntry } from './count-entries.js';
import type { HookDetail } from './hook-places.js';
import {
  CHUNK_BATCH,
  CHUNK_CATALOG,
  CHUNK_CLUSTER,
  CHUNK_COUNTS,
  CHUNK_FOOTER,
  CHUNK_HEADER,
  CHUNK_HEADER_TYPE,
  CHUNK_SYMBOLS,
  CHUNK_TICK,
  CHUNK_WINDOW,
  json,
  MAGIC,
  message,
  RECORDING_LIMIT,
  RecordingError,
  type RecordingFooter,
  type RecordingHeader,
  WINDOW_AS_BEFORE,
  WINDOW_BYTES,
  WINDOW_SEES,
} from './recording-format.js';
import type { SourceSink } from './source.js';

/** Of what a recording may be, kept for its end. */
const FOOTER_ROOM = 1 << 20;
/** Ticks closer than this together add nothing. */
const TICK_NS = 20_000_000n;
/** It holds what packets carry: for its owner's eyes only. */
const MODE = 0o600;

/** What to do where a file cannot be written, after a semicolon; empty where that is plain. */
function remedyOf(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return '; free space there, or record elsewhere; what was written can be replayed';
    case 'EROFS':
    case 'EACCES':
    case 'EPERM':
      return '; record to a folder that this process may write to';
    default:
      return '';
  }
}

/** Writes a recording, chunk by chunk, so that one cut off is still good up to there. */
export class RecordingWriter implements SourceSink {
  /** Bytes written so far. */
  bytes = 0;
  /** Called once, with the first failure; nothing is written from then on. */
  onFailure: (error: RecordingError) => void = () => undefined;
  /** Called once, when it is as large as replay takes; nothing but the footer is written then. */
  onFull: () => void = () => undefined;
  #isFull = false;
  readonly #limit: number;
  readonly #path: string;
  readonly #file: number;
  #failure: RecordingError | null = null;
  #lastTick = 0n;
  /** Entries of the counter since the last tick: as many as one look at it gives. */
  readonly #counts: Uint8Array[] = [];

  constructor(path: string, header: RecordingHeader, limit = RECORDING_LIMIT - FOOTER_ROOM) {
    this.#path = path;
    this.#limit = limit;
    try {
      this.#file = openSync(path, 'w', MODE);
      // A file that was there keeps the mode it had.
      if (fstatSync(this.#file).isFile()) fchmodSync(this.#file, MODE);
    } catch (cause) {
      throw this.#notWritable(cause);
    }
    this.#write(Buffer.from(MAGIC, 'latin1'));
    this.#chunk(CHUNK_HEADER_TYPE, json(header));
  }

  catalog(catalog: Catalog): void {
    this.#chunk(CHUNK_CATALOG, json(catalog));
  }

  clusterNames(change: NameChange): void {
    this.#chunk(CHUNK_CLUSTER, json(change));
  }

  batch(records: Uint8Array, length: number): void {
    this.#chunk(CHUNK_BATCH, records.subarray(0, length));
  }

  tick(now: bigint): void {
    if (now - this.#lastTick < TICK_NS) {
      return;
    }
    this.#writeCounts();
    this.#lastTick = now;
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64LE(now);
    this.#chunk(CHUNK_TICK, payload);
  }

  count(row: CountCursor): void {
    this.#counts.push(countEntry(row));
  }

  window(at: bigint, sees: Seen, detail: HookDetail): void {
    this.#change(at, WINDOW_SEES[sees], detail);
  }

  detail(at: bigint, detail: HookDetail): void {
    this.#change(at, WINDOW_AS_BEFORE, detail);
  }

  #change(at: bigint, state: number, detail: HookDetail): void {
    const payload = Buffer.alloc(WINDOW_BYTES);
    payload.writeBigUInt64LE(at);
    payload.writeUInt32LE(state, 8);
    payload.writeUInt32LE(detail === 'edges' ? 1 : 0, 12);
    this.#chunk(CHUNK_WINDOW, payload);
  }

  /** The function that drops come from, as it is resolved. */
  symbol(address: bigint, name: string): void {
    this.#chunk(CHUNK_SYMBOLS, json([[String(address), name]]));
  }

  end(): void {
    // The footer needs what only the command knows: see `finish`.
  }

  /** @throws RecordingError `RECORDING_NOT_WRITABLE` when not everything was written */
  finish(footer: RecordingFooter): void {
    this.#writeCounts();
    this.#chunk(CHUNK_FOOTER, json(footer));
    closeSync(this.#file);
    if (this.#failure !== null) {
      throw this.#failure;
    }
  }

  #writeCounts(): void {
    if (this.#counts.length > 0) {
      this.#chunk(CHUNK_COUNTS, Buffer.concat(this.#counts));
      this.#counts.length = 0;
    }
  }

  #notWritable(cause: unknown): RecordingError {
    const what = `cannot write ${this.#path}: ${message(cause)}${remedyOf(cause)}`;
    return new RecordingError('RECORDING_NOT_WRITABLE', what, { cause });
  }

  #chunk(type: number, payload: Uint8Array): void {
    const wouldPass = this.bytes + CHUNK_HEADER + payload.byteLength > this.#limit;
    if (type !== CHUNK_FOOTER && (this.#isFull || wouldPass)) {
      if (!this.#isFull) this.onFull();
      this.#isFull = true;
      return;
    }
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
