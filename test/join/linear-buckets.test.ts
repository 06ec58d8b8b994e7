import { expect, test } from 'vitest';
import { LinearBuckets } from '../../src/join/linear-buckets.js';
import { nth } from '../fixtures/joined.js';
import { fc } from '../fixtures/properties.js';

/** Entries with hashes of their own, as the owners of buckets keep theirs. */
class Owner {
  readonly buckets = new LinearBuckets();
  readonly hashes: number[] = [];
  readonly #next: number[] = [];
  /** Entries that were put in anew. */
  moved = 0;

  add(hash: number): number {
    const entry = this.hashes.push(hash) - 1;
    for (let other = this.buckets.makeRoom(), next = other; other >= 0; other = next) {
      next = nth(this.#next, other);
      this.#put(other);
      this.moved += 1;
    }
    this.#put(entry);
    return entry;
  }

  remove(entry: number): void {
    const next = nth(this.#next, entry);
    let before = this.buckets.remove(entry, nth(this.hashes, entry), next);
    if (before >= 0) {
      while (nth(this.#next, before) !== entry) before = nth(this.#next, before);
      this.#next[before] = next;
    }
  }

  /** The entries of the bucket of a hash. */
  chain(hash: number): number[] {
    const entries: number[] = [];
    for (let entry = this.buckets.first(hash); entry >= 0; entry = nth(this.#next, entry)) {
      entries.push(entry);
    }
    return entries;
  }

  #put(entry: number): void {
    this.#next[entry] = this.buckets.put(entry, nth(this.hashes, entry));
  }
}

test('what was put in and not taken out is in the chain of its hash, and nothing else is', () => {
  const hash = fc.oneof(fc.integer(), fc.constantFrom(0, 1, 64, -1, 0x7fffffff, -0x80000000));
  const step = fc.record({ hash, removed: fc.option(fc.nat()) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const owner = new Owner();
      const present: number[] = [];
      for (const { hash, removed } of steps) {
        present.push(owner.add(hash));
        if (removed !== null && present.length > 0) {
          owner.remove(nth(present.splice(removed % present.length, 1), 0));
        }
      }
      expect(owner.buckets.size).toBe(present.length);
      for (const entry of present) {
        expect(owner.chain(nth(owner.hashes, entry))).toContain(entry);
      }
      const all = new Set(owner.hashes.flatMap((hash) => owner.chain(hash)));
      expect([...all].sort((a, b) => a - b)).toEqual(present.sort((a, b) => a - b));
    }),
    { numRuns: 50 },
  );
});

test('one past as many entries as buckets, one bucket is split and no other is touched', () => {
  const owner = new Owner();
  for (let hash = 0; hash < 64; hash++) owner.add(hash);
  expect([owner.moved, owner.buckets.byteLength]).toEqual([0, 64 * 4]);
  owner.add(64);
  // Bucket 0 alone had to give: of 0 and 64, the one goes to the new bucket.
  expect([owner.moved, owner.buckets.byteLength]).toEqual([1, 128 * 4]);
  expect([owner.chain(0), owner.chain(64), owner.chain(1)]).toEqual([[0], [64], [1]]);
});

test('chains stay short however many there are', () => {
  const owner = new Owner();
  const count = 10_000;
  for (let i = 0; i < count; i++) owner.add(Math.imul(i, 0x9e3779b1));
  const longest = Math.max(...owner.hashes.map((hash) => owner.chain(hash).length));
  expect(longest).toBeLessThan(8);
  // Each entry is moved about once for each doubling.
  expect(owner.moved).toBeLessThan(2 * count);
});
