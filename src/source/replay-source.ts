import type { Seen } from 'hopscope-protocol';
import { bigintCounts } from '../model/decimal-counts.js';
import type { Catalog } from '../name/catalog.js';
import { Epoch } from '../wire/clock.js';
import { CountCursor } from '../wire/count-cursor.js';
import { COUNT_FIRST, COUNT_LAST } from '../wire/count-layout.gen.js';
import { HEADER_TIME, SIZEOF_HEADER } from '../wire/layout.gen.js';
import { FRAME_HEADER } from '../wire/record-cursor.js';
import { giveCounts } from './count-entries.js';
import type { Chunk, Recording } from './recording.js';
import {
  CHUNK_BATCH,
  CHUNK_CATALOG,
  CHUNK_CLUSTER,
  CHUNK_COUNTS,
  CHUNK_TICK,
  CHUNK_WINDOW,
  catalogOf,
  nameChangeOf,
  WINDOW_AS_BEFORE,
  WINDOW_BYTES,
  WINDOW_SEES,
} from './recording-format.js';
import type { Source, SourceSink } from './source.js';

/** Longest pause kept between batches; a recording of a quiet machine need not be quiet. */
const LONGEST_PAUSE_MS = 2_000;

const SEEN: readonly Seen[] = ['all', 'new-flows', 'drops'];

/** What a WINDOW chunk says is seen; of a number that is not known, nothing but drops. */
function seenOf(state: number): Seen {
  return SEEN.find((sees) => WINDOW_SEES[sees] === state) ?? 'drops';
}

export interface ReplayOptions {
  /** At the pace it was recorded; else as fast as it can be read. */
  readonly paced: boolean;
  /** Begin again at the end, with times moved on, until stopped. */
  readonly loop?: boolean;
}

/** Plays a recording as if the kernel gave it. */
export class ReplaySource implements Source {
  readonly epochNs: bigint;
  readonly catalog: Catalog;
  readonly missing: readonly string[];
  readonly #recording: Recording;
  readonly #counts: CountCursor;
  readonly #options: ReplayOptions;
  #stopped = false;
  #ended = false;
  #wake: (() => void) | null = null;
  #sink: SourceSink | null = null;
  #done: Promise<void> = Promise.resolve();

  constructor(recording: Recording, options: ReplayOptions) {
    this.#recording = recording;
    this.#options = options;
    this.epochNs = BigInt(recording.header.epochNs);
    this.#counts = new CountCursor(new Epoch(this.epochNs));
    this.catalog = recording.catalog;
    this.missing = [...new Set([...recording.header.missing, ...(recording.footer.missing ?? [])])];
  }

  get isThinned(): boolean {
    return this.#recording.header.thinned ?? false;
  }

  lost(): bigint {
    return BigInt(this.#recording.footer.lost);
  }

  losses(): Readonly<Record<string, bigint>> {
    return bigintCounts(this.#recording.footer.losses);
  }

  own(): bigint {
    return BigInt(this.#recording.footer.own);
  }

  symbol(address: bigint): string | null {
    return this.#recording.symbols.get(address) ?? null;
  }

  /** Resolves at once; see `finished` for the end. */
  start(sink: SourceSink): Promise<void> {
    this.#sink = sink;
    this.#done = this.#play(sink);
    return Promise.resolve();
  }

  /** Resolves when the recording is over or was stopped. */
  get finished(): Promise<void> {
    return this.#done;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#done;
    if (!this.#ended) {
      this.#ended = true;
      this.#sink?.end();
    }
  }

  async #play(sink: SourceSink): Promise<void> {
    let shift = 0n;
    do {
      let last = 0n;
      let first = 0n;
      let paused = 0;
      for (const chunk of this.#recording.chunks()) {
        if (this.#stopped) {
          return;
        }
        const time = tickTime(chunk);
        if (time !== null) {
          if (last !== 0n && this.#options.paced) {
            // A quiet machine's clock ticks too: it is their sum that is too long.
            const ms = Math.min(Math.max(Number(time - last) / 1e6, 0), LONGEST_PAUSE_MS - paused);
            paused += ms;
            if (ms > 0) await this.#pause(ms);
          }
          first = first === 0n ? time : first;
          last = time;
        }
        if (chunk.type === CHUNK_BATCH) paused = 0;
        this.#give(sink, chunk, shift);
      }
      shift += last - first + 1_000_000_000n;
      if (this.#options.loop === true && last === 0n) {
        break;
      }
      // A round without a pause in it must not keep all else from its turn.
      await this.#pause(0);
    } while (this.#options.loop === true);
    if (!this.#ended) {
      this.#ended = true;
      sink.end();
    }
  }

  #give(sink: SourceSink, chunk: Chunk, shift: bigint): void {
    const time = tickTime(chunk);
    if (chunk.type === CHUNK_CATALOG) {
      sink.catalog(catalogOf(chunk.payload));
    } else if (chunk.type === CHUNK_CLUSTER) {
      sink.clusterNames?.(nameChangeOf(chunk.payload));
    } else if (time !== null) {
      sink.tick(time + shift);
    } else if (chunk.type === CHUNK_BATCH) {
      const records = shift === 0n ? chunk.payload : moveTimes(chunk.payload, shift);
      sink.batch(records, records.byteLength);
    } else if (chunk.type === CHUNK_WINDOW && chunk.payload.byteLength >= WINDOW_BYTES) {
      const { buffer, byteOffset } = chunk.payload;
      const view = new DataView(buffer, byteOffset, WINDOW_BYTES);
      const detail = view.getUint32(12, true) === 1 ? 'edges' : 'all';
      const at = view.getBigUint64(0, true) + shift;
      const state = view.getUint32(8, true);
      if (state === WINDOW_AS_BEFORE) sink.detail?.(at, detail);
      else sink.window?.(at, seenOf(state), detail);
    }
    if (chunk.type === CHUNK_COUNTS) {
      this.#giveCounts(sink, chunk.payload, shift);
    }
    // Else of a later version: nothing to do here.
  }

  #giveCounts(sink: SourceSink, payload: Uint8Array, shift: bigint): void {
    giveCounts(
      payload,
      this.#counts,
      (row) => sink.count?.(row),
      (value) => {
        for (const time of [COUNT_FIRST, COUNT_LAST]) {
          value.setBigUint64(time, value.getBigUint64(time, true) + shift, true);
        }
      },
    );
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      const wake = (): void => done();
      this.#wake = wake;
      function done(): void {
        clearTimeout(timer);
        resolve();
      }
    });
  }
}

function tickTime(chunk: Chunk): bigint | null {
  if (chunk.type !== CHUNK_TICK || chunk.payload.byteLength < 8) {
    return null;
  }
  const { buffer, byteOffset } = chunk.payload;
  return new DataView(buffer, byteOffset, 8).getBigUint64(0, true);
}

/** A copy of a batch with every record's time moved on: a second round is not the first. */
function moveTimes(batch: Uint8Array, shift: bigint): Uint8Array {
  // Not slice(): a Buffer's shares its memory.
  const copy = new Uint8Array(batch);
  const view = new DataView(copy.buffer);
  for (let at = 0; at + FRAME_HEADER + SIZEOF_HEADER <= copy.byteLength; ) {
    const length = view.getUint32(at, true);
    const end = at + FRAME_HEADER + length;
    if (end > copy.byteLength) {
      // A frame cut off: the reader of the batch counts it.
      break;
    }
    if (length >= SIZEOF_HEADER) {
      const time = at + FRAME_HEADER + HEADER_TIME;
      view.setBigUint64(time, view.getBigUint64(time, true) + shift, true);
    }
    at = at + FRAME_HEADER + ((length + 7) & ~7);
  }
  return copy;
}
