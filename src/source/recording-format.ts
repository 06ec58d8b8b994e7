import { createHash } from 'node:crypto';
import type { Seen } from 'hopscope-protocol';
import { HopscopeError } from '../model/errors.js';
import { type Catalog, CatalogError, parseCatalog } from '../name/catalog.js';
import { type NameChange, parseNameChange } from '../name/cluster-names.js';
import * as counts from '../wire/count-layout.gen.js';
import * as layout from '../wire/layout.gen.js';

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
 *   CLUSTER  JSON NameChange of a cluster's names, whenever they changed
 *   BATCH    framed records as they were drained
 *   TICK     u64 kernel monotonic ns, where the daemon looked at the clock
 *   SYMBOLS  JSON list of [address, function], when a drop's place was resolved
 *   WINDOW   u64 kernel monotonic ns, u32 what is seen from then on (0: drops, 1: all, 2: as
 *            before, 3: drops and new flows), u32 whether of each netfilter hook only the edges are
 *   COUNTS   entries of the kernel's counter, each u8 gone, 7 zeros, key, value (bpf/counter-wire.h,
 *            count-entries.ts)
 *   FOOTER   JSON RecordingFooter, last; absent when recording was cut off
 */
export const MAGIC = 'HOPSREC1';
export const CHUNK_HEADER = 8;
export const CHUNK_HEADER_TYPE = 1;
export const CHUNK_CATALOG = 2;
export const CHUNK_BATCH = 3;
export const CHUNK_TICK = 4;
export const CHUNK_FOOTER = 5;
export const CHUNK_SYMBOLS = 6;
export const CHUNK_WINDOW = 7;
export const CHUNK_COUNTS = 8;
export const CHUNK_CLUSTER = 9;
/** Bytes of a WINDOW chunk. */
export const WINDOW_BYTES = 16;
/** What is seen, by its number in a WINDOW chunk. */
export const WINDOW_SEES: Readonly<Record<Seen, number>> = { drops: 0, all: 1, 'new-flows': 3 };
export const WINDOW_AS_BEFORE = 2;
/** Largest chunk taken from a file, bytes; a batch is at most 4 MiB. */
export const CHUNK_LIMIT = 64 << 20;
/** Largest recording taken, bytes: it is held in memory, and a small file may unpack to more. */
export const RECORDING_LIMIT = 1 << 30;

export interface RecordingHeader {
  readonly format: 1;
  /** Version of hopscope that wrote it; absent in recordings of older versions. */
  readonly version?: string;
  /** Fingerprint of the wire layout the records were written with. */
  readonly layout: string;
  readonly epochNs: string;
  readonly kernel: string;
  readonly missing: readonly string[];
  /** Whether some packets only were traced, and all drops; absent: no. */
  readonly thinned?: boolean;
  /** Whether some namespaces were left out on purpose; absent: no. */
  readonly namespaceFiltered?: boolean;
}

export interface RecordingFooter {
  /** What could not be seen, as known at the end; absent in recordings of older versions. */
  readonly missing?: readonly string[];
  readonly lost: string;
  /** What `lost` is the sum of, by cause; absent in recordings of older versions. */
  readonly losses?: Readonly<Record<string, string>>;
  readonly own: string;
  /** Functions found for addresses that drops came from; see SYMBOLS for those before. */
  readonly symbols: readonly (readonly [string, string])[];
}

export class RecordingError extends HopscopeError {}

let fingerprint: string | null = null;

/** Changes when the meaning of recorded bytes does: counters of the kernel are not recorded. */
export function layoutFingerprint(): string {
  fingerprint ??= madeFingerprint();
  return fingerprint;
}

function madeFingerprint(): string {
  // By name: a module's own order of names is sorted only where no tool has rewritten it.
  const entries = [...Object.entries(layout), ...Object.entries(counts)]
    .filter(([name]) => !/^(COUNTER|TALLY)_/u.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify(Object.fromEntries(entries));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

export function parseHeader(payload: Uint8Array): RecordingHeader {
  const header = parseObject(payload, 'header');
  const { epochNs, kernel, missing, layout, version } = header;
  const writer = typeof version === 'string' ? `hopscope ${version}` : 'an older hopscope';
  const remedy = 'replay it with that version, or record it again with this one';
  if (header['format'] !== 1) {
    throw new RecordingError(
      'RECORDING_VERSION',
      `the recording has format ${String(header['format'])} of ${writer}, not 1; ${remedy}`,
    );
  }
  if (layout !== layoutFingerprint()) {
    throw new RecordingError(
      'RECORDING_LAYOUT',
      `the recording has record layout ${String(layout)} of ${writer}, not ${layoutFingerprint()}; ${remedy}`,
    );
  }
  if (!isDecimal(epochNs) || typeof kernel !== 'string' || !isTextList(missing)) {
    throw new RecordingError('RECORDING_DAMAGED', 'the header of the recording is not whole');
  }
  return {
    format: 1,
    ...(typeof version === 'string' ? { version } : {}),
    ...{ layout, epochNs, kernel, missing },
    thinned: header['thinned'] === true,
    // Older versions wrote `limited`.
    namespaceFiltered: header['namespaceFiltered'] === true || header['limited'] === true,
  };
}

export function parseFooter(payload: Uint8Array): RecordingFooter {
  const { lost, losses, own, symbols, missing } = parseObject(payload, 'footer');
  if (
    !isDecimal(lost) ||
    !isDecimal(own) ||
    !isSymbolList(symbols) ||
    !(missing === undefined || isTextList(missing)) ||
    !(losses === undefined || isCounts(losses))
  ) {
    throw new RecordingError('RECORDING_DAMAGED', 'the footer of the recording is not whole');
  }
  return {
    lost,
    own,
    symbols,
    ...(missing === undefined ? {} : { missing }),
    ...(losses === undefined ? {} : { losses }),
  };
}

export function parseSymbols(payload: Uint8Array): readonly (readonly [string, string])[] {
  const symbols = parse(payload);
  if (!isSymbolList(symbols)) {
    throw new RecordingError('RECORDING_DAMAGED', 'functions in the recording are not whole');
  }
  return symbols;
}

export function catalogOf(payload: Uint8Array): Catalog {
  return namesOf(payload, parseCatalog);
}

export function nameChangeOf(payload: Uint8Array): NameChange {
  return namesOf(payload, parseNameChange);
}

function namesOf<T>(payload: Uint8Array, read: (value: unknown) => T): T {
  try {
    return read(parse(payload));
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

function isCounts(value: unknown): value is Readonly<Record<string, string>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(isDecimal)
  );
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

export function json(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
