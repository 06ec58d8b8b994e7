import { randomInt } from 'node:crypto';
import { env } from 'node:process';
import { setImmediate as turn } from 'node:timers/promises';
import { mutated } from './mutate.js';
import { Random } from './random.js';

/** Runs of one campaign inside the test suite. */
const DEFAULT_RUNS = 20_000;
/** Runs between looks at the clock. */
const CLOCK_EVERY = 500;

function setting(name: string, fallback: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`${name} is no number: '${text}'`);
  return value;
}

/**
 * Checks mutated inputs until the runs or the seconds are used up. From the
 * environment: HOPSCOPE_FUZZ_SEED, HOPSCOPE_FUZZ_RUNS, HOPSCOPE_FUZZ_SECONDS (which
 * takes the limit off the runs), HOPSCOPE_FUZZ_RUN (only that one, to see a failure
 * again). Each run depends on the seed and its number alone.
 *
 * @param check throws when something is wrong; gets the input and its own numbers
 * @returns how many runs were made
 * @throws Error with what to set to see the failure again, and the input in hex
 */
export async function campaign(
  name: string,
  corpus: readonly Uint8Array[],
  check: (input: Uint8Array, random: Random) => void,
): Promise<number> {
  const seed = setting('HOPSCOPE_FUZZ_SEED', randomInt(2 ** 32));
  const seconds = setting('HOPSCOPE_FUZZ_SECONDS', 0);
  const runs = setting('HOPSCOPE_FUZZ_RUNS', seconds > 0 ? Number.MAX_SAFE_INTEGER : DEFAULT_RUNS);
  const only = setting('HOPSCOPE_FUZZ_RUN', -1);
  const until = seconds > 0 ? performance.now() + seconds * 1000 : Number.POSITIVE_INFINITY;
  console.log(`${name}: seed ${seed}`);

  const first = Math.max(only, 0);
  const end = only >= 0 ? only + 1 : runs;
  let run = first;
  for (; run < end; run++) {
    if (run % CLOCK_EVERY === 0) {
      if (performance.now() > until) break;
      // The test runner takes a worker that does not answer for dead.
      await turn();
    }
    const random = new Random(seed ^ Math.imul(run + 1, 0x9e3779b1));
    const input = mutated(corpus, random);
    try {
      check(input, random);
    } catch (error) {
      throw new Error(
        `${name}: HOPSCOPE_FUZZ_SEED=${seed} HOPSCOPE_FUZZ_RUN=${run}: ${String(error)}\n` +
          Buffer.from(input).toString('hex'),
        { cause: error },
      );
    }
  }
  console.log(`${name}: ${run - first} runs`);
  return run - first;
}
