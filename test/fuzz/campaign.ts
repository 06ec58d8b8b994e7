import { setImmediate as turn } from 'node:timers/promises';
import { type Entry, keepInput, readCorpus, readFound } from './corpus.js';
import type { Guide } from './coverage.js';
import { mutated } from './mutated.js';
import { Random } from './random.js';
import type { Era, Target } from './target.js';

/** Runs between looks at the clock. */
const CLOCK_EVERY = 500;
const PROGRESS_MS = 5_000;
/** Longer than any input may take, also on a machine that does other work. */
const SLOWEST_MS = 5_000;

export interface CampaignOptions {
  readonly seed: number;
  readonly count: number;
  /** The first run. */
  readonly from?: number;
  readonly seconds?: number;
  readonly onProgress?: (progress: Progress) => void;
  readonly guide?: Guide | null;
}

export interface Progress {
  readonly runs: number;
  readonly of: number;
  readonly seconds: number;
}

export interface Outcome {
  readonly runs: number;
  readonly good: number;
  readonly seconds: number;
}

/**
 * Checks the corpus as it is, and then changed inputs. Each run depends on the seed, its
 * number and the corpus alone, and on those before it in its era.
 *
 * @throws Error with the command to see the failure again, and the file the input is in
 */
export async function campaign(target: Target, options: CampaignOptions): Promise<Outcome> {
  const { seed, count, from = 0, guide = null } = options;
  const kept = [
    ...readCorpus(target.name),
    ...built(target),
    ...(guide === null ? [] : readFound(target.name)),
  ];
  const corpus = kept.map(({ bytes }) => bytes);
  const until = performance.now() + (options.seconds ?? Number.POSITIVE_INFINITY) * 1000;
  const started = performance.now();
  const first = eraOf(target, from);
  let reported = started;
  let run = first;
  let good = 0;
  let era: Era | null = null;
  const lanes = new Set<Promise<void>>();
  let failure: unknown = null;

  const end = async (): Promise<void> => {
    await Promise.all(lanes);
    if (failure !== null) throw failure;
    if (era === null) return;
    try {
      await era.end?.();
    } catch (error) {
      throw failed(target, options, run - 1, null, error);
    }
    good += era.good;
    era = null;
  };

  for (; run < from + count; run++) {
    if (run % CLOCK_EVERY === 0) {
      const now = performance.now();
      if (now > until) break;
      if (now - reported > PROGRESS_MS) {
        reported = now;
        options.onProgress?.({ runs: run - first, of: count, seconds: (now - started) / 1000 });
      }
      // The test runner takes a worker that does not answer for dead.
      await turn();
    }
    if (target.era !== null && run % target.era === 0) {
      await end();
      era = await target.begin();
    }
    era ??= await target.begin();
    const { input, random } = inputOf(target, kept, corpus, seed, run);
    const { state } = random;
    const begun = performance.now();
    try {
      const checked = era.check(input, random);
      if (checked !== undefined) {
        if (target.lanes === 1) {
          await checked;
        } else {
          const number = run;
          const lane: Promise<void> = checked
            .catch((error: unknown) => {
              failure ??= failed(target, options, number, { input, state }, error);
            })
            .finally(() => lanes.delete(lane));
          lanes.add(lane);
          if (lanes.size >= target.lanes) await Promise.race(lanes);
        }
      }
      const took = performance.now() - begun;
      if (took > SLOWEST_MS) throw new Error(`it took ${took.toFixed(0)} ms`);
      await guide?.after(input, state, (found) => corpus.push(found));
    } catch (error) {
      throw failed(target, options, run, { input, state }, error);
    }
    if (failure !== null) throw failure;
  }
  await end();
  return { runs: run - first, good, seconds: (performance.now() - started) / 1000 };
}

function built(target: Target): Entry[] {
  const inputs = target.seeds?.() ?? [];
  return inputs.map((bytes, index) => ({ name: `built ${index}`, bytes, state: index }));
}

/** The first run of the era that a run is in. */
function eraOf({ era }: Target, run: number): number {
  return era === null ? run : run - (run % era);
}

function inputOf(
  target: Target,
  kept: readonly Entry[],
  corpus: readonly Uint8Array[],
  seed: number,
  run: number,
): { input: Uint8Array; random: Random } {
  const entry = kept[run];
  if (entry !== undefined) return { input: entry.bytes.slice(), random: new Random(entry.state) };
  const random = new Random(seed ^ Math.imul(run + 1, 0x9e3779b1));
  return { input: mutated(target, corpus, random), random };
}

function failed(
  target: Target,
  { seed }: CampaignOptions,
  run: number,
  at: { readonly input: Uint8Array; readonly state: number } | null,
  error: unknown,
): Error {
  const from = eraOf(target, run);
  const again = `npm run fuzz -- --target ${target.name} --seed ${seed} --from ${from} --count ${run - from + 1}`;
  const where = at === null ? '' : `\nin ${keepInput(target.name, 'failed', at.input, at.state)}`;
  return new Error(`${target.name}, run ${run}: ${String(error)}\nagain: ${again}${where}`, {
    cause: error,
  });
}
