import { Pipeline } from '../pipeline.js';
import { Recording } from '../source/recording.js';
import { CHUNK_BATCH, CHUNK_TICK } from '../source/recording-format.js';
import { ReplaySource } from '../source/replay-source.js';
import { Joiner } from './joiner.js';
import { DEMO_RECORDING } from './own-files.js';

/** Work between two turns of the event loop, ms: what is starting has its turn. */
const TURN_MS = 5;
/** Work in all, ms: from there on a packet takes less than twice what it takes for good. */
const MOST_MS = 250;

/**
 * Joins the packets of the recording that is shipped, for nobody: V8 compiles a function when
 * it has run for a while, and until then a packet takes eight times as long (100 µs instead of
 * 12, measured). That would be paid when packets come, on a machine that is busy then. Resolves
 * when it has done enough; without the recording, at once.
 */
export async function warmUp(stop: AbortSignal): Promise<void> {
  let recording: Recording;
  await turn();
  try {
    recording = Recording.read(Joiner.own.reach.here(DEMO_RECORDING));
  } catch {
    return;
  }
  let workedMs = 0;
  while (workedMs < MOST_MS && !stop.aborted) {
    const pipeline = new Pipeline(new ReplaySource(recording, { paced: false }));
    let begun = performance.now();
    for (const { type, payload } of recording.chunks()) {
      if (type === CHUNK_BATCH) pipeline.batch(payload, payload.byteLength);
      else if (type === CHUNK_TICK) pipeline.tick(timeOf(payload));
      const took = performance.now() - begun;
      if (took < TURN_MS) continue;
      workedMs += took;
      if (workedMs >= MOST_MS || stop.aborted) return;
      await turn();
      begun = performance.now();
    }
  }
}

function timeOf(tick: Uint8Array): bigint {
  return new DataView(tick.buffer, tick.byteOffset, tick.byteLength).getBigUint64(0, true);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
