import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cwd } from 'node:process';

/** An input as it is kept: with the state of the numbers it was checked with. */
export interface Entry {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly state: number;
}

/** Both are run from the checkout's folder. */
const CORPUS = join('test', 'fuzz', 'corpus');
export const RESULTS = join('test-results', 'fuzz');
/** One input a line, in hex: made by seeds.ts. */
const SEEDS = 'seeds.hex';
/** Inputs that failed once, or reached what no other did: NAME-STATE.bin. */
const SINGLE = /^[a-z]+-[0-9a-f]{16}-([0-9a-f]{8})\.bin$/u;

/** Everything kept for a target: seeds, what failed once, and what a guided run found here. */
export function readCorpus(target: string): Entry[] {
  const kept = join(cwd(), CORPUS, target);
  const file = join(kept, SEEDS);
  const seeds = (existsSync(file) ? readFileSync(file, 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => ({
      name: `seed ${index}`,
      bytes: new Uint8Array(Buffer.from(line, 'hex')),
      state: 0,
    }));
  return [...seeds, ...singles(kept)];
}

/** What earlier guided runs on this machine found. */
export function readFound(target: string): Entry[] {
  return singles(join(cwd(), RESULTS, target));
}

function singles(folder: string): Entry[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const state = SINGLE.exec(name)?.[1];
      if (state === undefined) return [];
      const bytes = new Uint8Array(readFileSync(join(folder, name)));
      return [{ name, bytes, state: Number.parseInt(state, 16) }];
    });
}

/** Keeps an input in test-results/fuzz/, from where it can be moved to the corpus. */
export function keepInput(
  target: string,
  kind: 'failed' | 'found',
  bytes: Uint8Array,
  state: number,
): string {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const folder = join(RESULTS, target);
  const file = join(folder, `${kind}-${hash}-${state.toString(16).padStart(8, '0')}.bin`);
  mkdirSync(join(cwd(), folder), { recursive: true });
  writeFileSync(join(cwd(), file), bytes);
  return file;
}

export function seedsText(seeds: readonly Uint8Array[]): string {
  return seeds.map((seed) => `${Buffer.from(seed).toString('hex')}\n`).join('');
}

export function seedsFile(target: string): string {
  return join(cwd(), CORPUS, target, SEEDS);
}
