import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Pipeline } from '../../../src/pipeline.js';
import { Recording } from '../../../src/source/recording.js';
import {
  CHUNK_BATCH,
  CHUNK_CATALOG,
  RecordingError,
} from '../../../src/source/recording-format.js';
import { ReplaySource } from '../../../src/source/replay-source.js';
import { mutateBytes } from '../mutate.js';
import type { Random } from '../random.js';
import { pathFault } from '../record-fault.js';
import type { Era, Target } from '../target.js';
import { FLOW_LIMIT, hopsKnown } from './pipeline.js';

const CODES = new Set(['RECORDING_NO_HEADER', 'RECORDING_DAMAGED', 'RECORDING_NOT_ONE']);
/** One in so many is joined too. */
const JOINED_ONE_IN = 512;
const ALL_CODES = new Set([...CODES, 'RECORDING_VERSION', 'RECORDING_LAYOUT']);

/** Recordings, unpacked: read, and played through all stages. One in 16 comes as a file. */
export const RECORDING_TARGET: Target = {
  name: 'recording',
  kind: 'bytes',
  longest: 6144,
  era: null,
  lanes: 1,
  leastGood: 0.2,
  begin: () => new RecordingEra(),
};

class RecordingEra implements Era {
  good = 0;
  readonly #folder = mkdtempSync(path(tmpdir(), 'hopscope-fuzz-'));
  readonly #file = path(this.#folder, 'recording.hops');

  async check(input: Uint8Array, random: Random): Promise<void> {
    let recording: Recording;
    try {
      recording = random.below(16) === 0 ? this.#fromFile(input, random) : Recording.parse(input);
    } catch (error) {
      if (error instanceof RecordingError && ALL_CODES.has(error.code)) return;
      throw error;
    }
    await play(recording, random);
    if (random.below(JOINED_ONE_IN) === 0) await join(recording);
    this.good += 1;
  }

  #fromFile(input: Uint8Array, random: Random): Recording {
    const packed = random.below(2) === 0 ? input : gzipSync(input, { level: 1 });
    writeFileSync(
      this.#file,
      random.below(2) === 0 ? packed : mutateBytes(packed, random, [input]),
    );
    return Recording.read(this.#file);
  }

  end(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** What is played is what a source may give: in order, whole, and with an end. */
async function play(recording: Recording, random: Random): Promise<void> {
  const events = { batches: 0, counts: 0, ends: 0, catalogs: 0 };
  const source = new ReplaySource(recording, { paced: false, loop: random.below(4) === 0 });
  const { chunks } = kindsOf(recording);
  await source.start({
    batch: (records, length) => {
      if (length !== records.byteLength) throw new Error('a batch of another length');
      events.batches += 1;
    },
    count: (row) => {
      if (!(row.packets > 0)) throw new Error('a count of nothing');
      events.counts += 1;
    },
    tick: (now) => {
      if (now < 0n) throw new Error(`tick ${now}`);
    },
    window: (at, sees) => {
      if (at < 0n || !['all', 'new-flows', 'drops'].includes(sees)) throw new Error(sees);
    },
    detail: () => undefined,
    catalog: () => {
      events.catalogs += 1;
    },
    end: () => {
      events.ends += 1;
    },
  });
  await source.stop();
  await source.finished;
  if (events.ends !== 1) throw new Error(`ended ${events.ends} times`);
  if (events.batches !== chunks(CHUNK_BATCH) || events.catalogs !== chunks(CHUNK_CATALOG)) {
    throw new Error('what was recorded is not all played');
  }
  if (source.lost() < 0n || source.own() < 0n) throw new Error('less than nothing was lost');
}

function kindsOf(recording: Recording): { chunks(type: number): number } {
  const types = [...recording.chunks()].map(({ type }) => type);
  return { chunks: (wanted) => types.filter((type) => type === wanted).length };
}

/** All the way to records; a pipeline takes longer to make than all else here. */
async function join(recording: Recording): Promise<void> {
  let failure: unknown = null;
  let ends = 0;
  const source = new ReplaySource(recording, { paced: false });
  const pipeline: Pipeline = new Pipeline(source, {
    flowLimit: FLOW_LIMIT,
    onEnd: () => {
      ends += 1;
    },
    onFailure: (error) => {
      failure ??= error;
    },
    onPath: (finished) => {
      const record = JSON.stringify(pipeline.pathRecord(finished));
      const fault = pathFault(record);
      if (fault !== null) failure ??= new Error(fault);
    },
  });
  await pipeline.start();
  await pipeline.stop();
  // Stopping sees to it that nothing is left to come.
  if (ends !== 1) throw new Error(`ended ${ends} times`);
  if (failure !== null) throw failure;
  const { hops } = pipeline.joiner.counters;
  const known = hopsKnown(pipeline.joiner.counters);
  if (hops !== known) throw new Error(`${hops} hops went in, and ${known} came out`);
  const { losses, lost } = pipeline.quality();
  if (![lost, ...Object.values(losses)].every((count) => /^\d+$/.test(count))) {
    throw new Error(`losses ${JSON.stringify(losses)}`);
  }
}
