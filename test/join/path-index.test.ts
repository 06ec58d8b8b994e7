import { describe, expect, test } from 'vitest';
import { HopColumns } from '../../src/join/hop-columns.js';
import { Path } from '../../src/join/path.js';
import { PathIndex } from '../../src/join/path-index.js';
import { fc } from '../fixtures/properties.js';

function path(skb = 0): Path {
  return new Path(skb, new HopColumns());
}

describe('paths by key', () => {
  test('nothing is under a key that was never set', () => {
    const index = new PathIndex();
    expect([index.get(0), index.get(5), index.size]).toEqual([undefined, undefined, 0]);
  });

  test('0 and the largest key are keys like others', () => {
    const index = new PathIndex();
    const [zero, largest] = [path(), path()];
    index.set(0, zero);
    index.set(Number.MAX_SAFE_INTEGER, largest);
    expect([index.get(0), index.get(Number.MAX_SAFE_INTEGER)]).toEqual([zero, largest]);
  });

  test('addresses that differ in their upper half only are distinguished', () => {
    const index = new PathIndex();
    const [low, high] = [path(), path()];
    index.set(0x1000, low);
    index.set(0x1000 + 2 ** 40, high);
    expect(index.get(0x1000)).toBe(low);
    expect(index.get(0x1000 + 2 ** 40)).toBe(high);
  });

  test('a later path replaces the one before, which cannot be removed any more', () => {
    const index = new PathIndex();
    const [before, after] = [path(), path()];
    index.set(7, before);
    index.set(7, after);
    expect([index.get(7), index.size]).toEqual([after, 1]);
    index.delete(7, before);
    expect([index.get(7), index.size]).toEqual([after, 1]);
    index.delete(7, after);
    expect([index.get(7), index.size]).toEqual([undefined, 0]);
  });

  test('it grows, and finds all again', () => {
    const index = new PathIndex();
    // As buffers lie in memory: 256 bytes apart.
    const paths = Array.from({ length: 20_000 }, (_, at) => path(0xffff_8880_0000 + at * 256));
    for (const one of paths) index.set(one.skb, one);
    expect(index.size).toBe(20_000);
    expect(paths.every((one) => index.get(one.skb) === one)).toBe(true);
    for (const one of paths) index.delete(one.skb, one);
    expect(index.size).toBe(0);
    expect(paths.some((one) => index.get(one.skb) !== undefined)).toBe(false);
  });

  test('whatever is set and removed, it is what a Map would be', () => {
    // Few keys and many: the first meet one another, the others fill it past its first size.
    const key = fc.oneof(
      fc.integer({ min: 0, max: 40 }),
      fc.integer({ min: 0, max: 3000 }).map((at) => 0xffff_8880_0000 + at * 256),
      fc.maxSafeNat(),
    );
    const act = fc.record({ key, isSet: fc.boolean() });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 4000, size: 'max' }), (acts) => {
        const index = new PathIndex();
        const map = new Map<number, Path>();
        for (const { key: at, isSet } of acts) {
          const known = map.get(at);
          if (isSet || known === undefined) {
            const one = path(at);
            index.set(at, one);
            map.set(at, one);
          } else {
            index.delete(at, known);
            map.delete(at);
          }
        }
        expect(index.size).toBe(map.size);
        for (const { key: at } of acts) {
          if (index.get(at) !== map.get(at)) throw new Error(`another path under ${at}`);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('removal closes gaps: those that met on the way are still found, whichever goes', () => {
    // Found by search, so that it does not depend on what the hash is: keys of one home.
    for (let removed = 0; removed < 64; removed++) {
      const index = new PathIndex();
      const paths = Array.from({ length: 500 }, (_, at) => path(at * 0x10001));
      for (const one of paths) index.set(one.skb, one);
      const gone = paths.splice(removed * 7, 30);
      for (const one of gone) index.delete(one.skb, one);
      expect(paths.every((one) => index.get(one.skb) === one)).toBe(true);
      expect(gone.every((one) => index.get(one.skb) === undefined)).toBe(true);
    }
  });
});
