import { describe, expect, test } from 'vitest';
import { HopColumns } from '../../src/join/hop-columns.js';
import { Path } from '../../src/join/path.js';
import { COMPACT_LEAST, SettleWheel } from '../../src/join/settle-wheel.js';
import { fc } from '../fixtures/properties.js';

const MS = 1e6;
/** Of one slot, and of all of them. */
const SLOT_NS = 8 * MS;
const WHEEL_NS = 256 * SLOT_NS;

function path(time = 0): Path {
  const one = new Path(1, new HopColumns());
  one.isOpen = true;
  one.lastTime = time;
  return one;
}

describe('what is due', () => {
  test('is nothing where nothing was filed', () => {
    expect(new SettleWheel().due(1e12)).toEqual([]);
  });

  test('comes when its time does, and once', () => {
    const wheel = new SettleWheel();
    const one = path();
    wheel.schedule(one, 100 * MS);
    expect(wheel.due(100 * MS - SLOT_NS)).toEqual([]);
    expect(wheel.due(100 * MS)).toEqual([one]);
    expect(wheel.due(200 * MS)).toEqual([]);
  });

  test('is filed again by whoever finds that its time has moved on', () => {
    const wheel = new SettleWheel();
    const one = path();
    wheel.schedule(one, 100 * MS);
    expect(wheel.due(100 * MS)).toEqual([one]);
    wheel.schedule(one, 101 * MS);
    expect(wheel.due(101 * MS)).toEqual([one]);
  });

  test('is looked at no earlier than it was filed for last, nor twice', () => {
    const wheel = new SettleWheel();
    const one = path();
    wheel.schedule(one, 100 * MS);
    wheel.schedule(one, 300 * MS);
    expect(wheel.due(200 * MS)).toEqual([]);
    expect(wheel.due(300 * MS)).toEqual([one]);
    expect(wheel.due(WHEEL_NS)).toEqual([]);
  });

  test('may be filed for an earlier time than before', () => {
    const wheel = new SettleWheel();
    const one = path();
    wheel.schedule(one, 300 * MS);
    wheel.schedule(one, 100 * MS);
    expect(wheel.due(100 * MS)).toEqual([one]);
    expect(wheel.due(400 * MS)).toEqual([]);
  });

  test('is no path that is over', () => {
    const wheel = new SettleWheel();
    const one = path();
    wheel.schedule(one, 100 * MS);
    one.isOpen = false;
    expect(wheel.due(200 * MS)).toEqual([]);
  });

  test('comes at the end of the wheel where its time is after it, and at once where it is past', () => {
    const wheel = new SettleWheel();
    const [far, past] = [path(), path()];
    wheel.schedule(far, 10 * WHEEL_NS);
    wheel.schedule(past, -5 * WHEEL_NS);
    expect(wheel.due(0)).toEqual([past]);
    expect(wheel.due(WHEEL_NS - SLOT_NS - 1)).toEqual([]);
    expect(wheel.due(WHEEL_NS)).toEqual([far]);
  });

  test('is all there is when time has leapt over the whole wheel', () => {
    const wheel = new SettleWheel();
    const paths = Array.from({ length: 300 }, (_, at) => path(at * SLOT_NS));
    for (const one of paths) wheel.schedule(one, one.lastTime);
    expect(new Set(wheel.due(100 * WHEEL_NS))).toEqual(new Set(paths));
  });

  test('whatever is filed when: nothing before its slot, nothing left after it', () => {
    const act = fc.record({
      wait: fc.integer({ min: 0, max: 40 }),
      until: fc.integer({ min: 0, max: 1500 }),
      which: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 100, size: 'max' }), (acts) => {
        const wheel = new SettleWheel();
        const paths = Array.from({ length: 21 }, () => path());
        const due = new Map<Path, number>();
        let now = 0;
        for (const { wait, until, which } of acts) {
          now += wait * MS;
          const one = paths[which] as Path;
          const time = now + until * MS;
          wheel.schedule(one, time);
          due.set(one, time);
          const found = wheel.due(now);
          expect(new Set(found).size).toBe(found.length);
          for (const other of found) {
            expect(due.get(other)).toBeLessThan(now + SLOT_NS);
            due.delete(other);
          }
          for (const [other, at] of due) {
            if (at <= now) throw new Error(`left behind: ${at} at ${now}, ${other.dueTick}`);
          }
        }
      }),
    );
  });
});

test('paths that were evicted are not kept until they are due', () => {
  const wheel = new SettleWheel();
  const kept = path();
  wheel.schedule(kept, 500 * MS);
  for (let n = 0; n < 10 * COMPACT_LEAST; n++) {
    const evicted = path();
    wheel.schedule(evicted, 1_000 * MS);
    evicted.isOpen = false;
  }
  expect(wheel.filed).toBeLessThanOrEqual(COMPACT_LEAST + 1);
  expect(wheel.due(500 * MS)).toEqual([kept]);
});
