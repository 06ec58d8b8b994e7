import { createHash } from 'node:crypto';
import { boolean, type Infer, problemOf, type Seen, string } from 'hopscope-protocol';
import * as v from 'valibot';
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

/** As text, without a sign. */
const countSchema = v.custom<string>(
  (value) => typeof value === 'string' && /^\d{1,20}$/u.test(value),
  'a decimal string',
);
const symbolsSchema = v.array(v.tuple([countSchema, string]));

/** What an older version wrote as well; read before the rest, to say who wrote it. */
const headerOfAnySchema = v.object({
  format: v.optional(v.unknown()),
  layout: v.optional(v.unknown()),
  version: v.optional(v.unknown()),
});

const headerSchema = v.object({
  format: v.literal(1),
  /** Version of hopscope that wrote it; absent in recordings of older versions. */
  version: v.exactOptional(string),
  /** Fingerprint of the wire layout the records were written with. */
  layout: string,
  epochNs: countSchema,
  kernel: string,
  missing: v.array(string),
  /** Whether some packets only were traced, and all drops; absent: no. */
  thinned: v.exactOptional(boolean),
  /** Whether some namespaces were left out on purpose; absent: no. */
  namespaceFiltered: v.exactOptional(boolean),
  /** What older versions call it. */
  limited: v.exactOptional(boolean),
});
export type RecordingHeader = Omit<Infer<typeof headerSchema>, 'limited'>;

const footerSchema = v.object({
  /** What could not be seen, as known at the end; absent in recordings of older versions. */
  missing: v.exactOptional(v.array(string)),
  lost: countSchema,
  /** What `lost` is the sum of, by cause; absent in recordings of older versions. */
  losses: v.exactOptional(v.record(string, countSchema)),
  own: countSchema,
  /** Functions found for addresses that drops came from; see SYMBOLS for those before. */
  symbols: symbolsSchema,
});
export type RecordingFooter = Infer<typeof footerSchema>;

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
  const given = parse(payload);
  const { format, layout, version } = checked(headerOfAnySchema, given, 'header');
  const writer = typeof version === 'string' ? `hopscope ${version}` : 'an older hopscope';
  const remedy = 'replay it with that version, or record it again with this one';
  if (format !== 1) {
    throw new RecordingError(
      'RECORDING_VERSION',
      `the recording has format ${String(format)} of ${writer}, not 1; ${remedy}`,
    );
  }
  if (layout !== layoutFingerprint()) {
    throw new RecordingError(
      'RECORDING_LAYOUT',
      `the recording has record layout ${String(layout)} of ${writer}, not ${layoutFingerprint()}; ${remedy}`,
    );
  }
  const { limited, ...header } = checked(headerSchema, given, 'header');
  return {
    ...header,
    thinned: header.thinned === true,
    namespaceFiltered: header.namespaceFiltered === true || limited === true,
  };
}

export function parseFooter(payload: Uint8Array): RecordingFooter {
  return checked(footerSchema, parse(payload), 'footer');
}

export function parseSymbols(payload: Uint8Array): readonly (readonly [string, string])[] {
  return checked(symbolsSchema, parse(payload), 'functions');
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

function checked<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  name: string,
): Infer<Schema> {
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output as Infer<Schema>;
  const problem = problemOf(result.issues, name);
  throw new RecordingError('RECORDING_DAMAGED', `the recording is damaged: ${problem}`);
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
