import { describe, expect, it } from 'vitest';
import { ENDED_LIMIT, Endings, heldAt, type Lifetime } from '../../src/name/lifetime.js';

interface Entry extends Lifetime {
  readonly name: string;
}

const at = (entries: readonly Entry[], time: number | null) => heldAt(entries, time)?.name ?? null;

describe('who held an address', () => {
  const first = { name: 'first', until: 10 };
  const second = { name: 'second', from: 12, until: 20 };
  const third = { name: 'third', from: 15 };

  it('is the one of that time, in whatever order they come', () => {
    for (const entries of [
      [first, second, third],
      [third, second, first],
    ]) {
      const times = [-1, 9, 10, 12, 14, 15, 19, 30];
      expect(times.map((time) => at(entries, time))).toEqual([
        ...['first', 'first', null, 'second', 'second', 'third', 'third', 'third'],
      ]);
      expect(at(entries, null)).toBe('third');
    }
  });

  it('is, where the beginning of the next is not known, the one that had not ended', () => {
    const entries = [{ name: 'next' }, { name: 'gone', until: 10 }];
    expect([5, 10, null].map((time) => at(entries, time))).toEqual(['gone', 'next', 'next']);
  });

  it('is, of two that say the same, the first', () => {
    expect(at([{ name: 'a' }, { name: 'b' }], 5)).toBe('a');
  });

  it('is nobody now when all have ended', () => {
    expect(at([first], null)).toBeNull();
    expect(at([], 1)).toBeNull();
  });
});

describe('what is said no more', () => {
  it('is kept with its end, and forgotten when it is said again', () => {
    const endings = new Endings<Entry>(({ name }) => name);
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    expect(endings.update([a, b], 1)).toEqual([a, b]);
    expect(endings.update([b], 2)).toEqual([b, { name: 'a', until: 2 }]);
    expect(endings.update([], 3)).toEqual([
      { name: 'a', until: 2 },
      { name: 'b', until: 3 },
    ]);
    expect(endings.update([a], 4)).toEqual([a, { name: 'b', until: 3 }]);
  });

  it('keeps the end that its provider gave', () => {
    const endings = new Endings<Entry>(({ name }) => name);
    endings.update([{ name: 'a', until: 1 }], 5);
    expect(endings.update([], 9)).toEqual([]);
  });

  it('is bounded: the oldest goes first, and is counted', () => {
    const endings = new Endings<Entry>(({ name }) => name);
    for (let i = 0; i <= ENDED_LIMIT + 1; i++) endings.update([{ name: `n${i}` }], i);
    const kept = endings.update([], ENDED_LIMIT + 2);
    expect(kept).toHaveLength(ENDED_LIMIT);
    expect(kept[0]?.name).toBe('n2');
    expect(endings.forgotten).toBe(2);
  });
});
