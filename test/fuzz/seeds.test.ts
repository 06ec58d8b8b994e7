import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { seedsFile, seedsText } from './corpus.js';
import { seeds } from './seeds.js';
import { TARGETS } from './targets.js';

/** All that is kept, bytes: it is read before each campaign, and by whoever clones. */
const MOST = 300_000;

it('the corpus is what `npm run fuzz -- --make-seeds` writes', () => {
  const made = seeds();
  expect([...made.keys()].sort()).toEqual(TARGETS.map(({ name }) => name).sort());
  let size = 0;
  for (const [target, inputs] of made) {
    const kept = readFileSync(seedsFile(target), 'utf8');
    size += kept.length;
    expect(kept === seedsText(inputs), target).toBe(true);
  }
  expect(size).toBeLessThan(MOST);
});
