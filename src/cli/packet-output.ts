import type { Pipeline } from '../pipeline.js';
import type { Source } from '../source/source.js';
import type { HeldPaths } from './held-paths.js';
import { reportLosses } from './losses.js';
import { announceReady, untilStopped } from './observe.js';
import type { LineOutput } from './output.js';

export interface PacketOutput {
  readonly source: Source;
  readonly pipeline: Pipeline;
  /** Packets that wait for the rules they met. */
  readonly held: HeldPaths;
  readonly output: LineOutput;
  readonly stop: AbortSignal;
  /** Null: until it is stopped. */
  readonly durationMs: number | null;
}

/** Shows packets from when all is attached until it is time, then what is left, and what was lost. */
export async function showPackets(shown: PacketOutput): Promise<void> {
  const { source, pipeline, held, output, stop, durationMs } = shown;
  await pipeline.start();
  announceReady(source);
  await untilStopped(stop, durationMs);
  await pipeline.stop();
  await held.end();
  await output.flush();
  reportLosses(pipeline, output);
}
