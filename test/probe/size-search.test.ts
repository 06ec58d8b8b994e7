import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type SearchRange, SIZE_MAX, SizeSearch } from '../../src/probe/size-search.js';

/**
 * The sizes that are tried where so many bytes pass.
 *
 * @param fits what an error says of one that did not
 */
function sizesTried(
  range: SearchRange,
  passes: number,
  fits: (size: number) => number | null = () => null,
): { readonly search: SizeSearch; readonly tried: readonly number[] } {
  const search = new SizeSearch(range);
  const tried: number[] = [];
  for (let size = search.next(); size !== null; size = search.next()) {
    tried.push(size);
    if (tried.length > 64) throw new Error(`no end: ${tried.join(' ')}`);
    if (size <= passes) search.passed(size);
    else search.failed(size, fits(size));
  }
  return { search, tried };
}

const WAY = { least: 576, most: 1500, expected: 1450 };

describe('SizeSearch', () => {
  it('tries what the way is configured for, and one byte more', () => {
    expect(sizesTried(WAY, 1450).tried).toEqual([1450, 1451]);
  });

  it('tries the device of the sender with what it does not take', () => {
    expect(sizesTried({ ...WAY, expected: 1500 }, 1500).tried).toEqual([1500, 1501]);
  });

  it('believes an error, and checks it', () => {
    expect(sizesTried(WAY, 1380, () => 1380).tried).toEqual([1450, 1380, 1381]);
    // One that says too much is no more than a guess.
    const { search } = sizesTried(WAY, 1200, () => 1400);
    expect([search.largest, search.refused]).toEqual([1200, 1201]);
  });

  it('looks above where more passes than is configured', () => {
    expect(sizesTried(WAY, 1500).tried).toEqual([1450, 1451, 1500, 1501]);
  });

  it('ends with nothing where not even the least passes', () => {
    const { search, tried } = sizesTried(WAY, 0);
    expect(tried).toEqual([1450, 576]);
    expect(search.largest).toBe(null);
  });

  it('ends at the largest packet there is', () => {
    const { search, tried } = sizesTried({ least: 576, most: 65_536, expected: 65_536 }, SIZE_MAX);
    expect(tried).toEqual([SIZE_MAX]);
    expect(search.refused).toBe(null);
  });

  it('finds the largest that passes, whatever is expected and said, in few probes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 576, max: SIZE_MAX }),
        fc.integer({ min: 1, max: 70_000 }),
        fc.integer({ min: 576, max: SIZE_MAX }),
        fc.option(fc.integer({ min: 0, max: 70_000 })),
        (most, expected, passing, said) => {
          const passes = Math.min(passing, most);
          const { search, tried } = sizesTried({ least: 576, most, expected }, passes, () => said);
          expect(search.largest).toBe(passes);
          expect(search.refused).toBe(passes === SIZE_MAX ? null : passes + 1);
          expect(new Set(tried).size).toBe(tried.length);
          expect(tried.length).toBeLessThanOrEqual(24);
        },
      ),
    );
  });
});
