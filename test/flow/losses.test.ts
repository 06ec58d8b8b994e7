import { describe, expect, test } from 'vitest';
import { COUNT_TICK_NS, SETTLED_NS } from '../../src/flow/losses.js';
import { CALI1 } from '../fixtures/places.js';
import { Translated } from './translated.js';

const SECOND = 1e9;

describe('lost', () => {
  test('where all is to be traced: what was counted and never shown, once it is certain', () => {
    const it = new Translated();
    it.table.sampling = 'all';
    it.table.add(it.path(false, { start: 1_000_000 }));
    it.table.count(it.counted(CALI1, 'in', 4, { last: 2_000_000 }));
    // One more was on its way when it was counted.
    it.table.add(it.path(false, { start: 1_900_000 }));
    it.table.expireIdle(2_000_000 + SETTLED_NS - 1);
    expect(it.only.lost).toBe(0);
    const { version } = it.table;
    it.table.expireIdle(2_000_000 + SETTLED_NS);
    expect(it.only.lost).toBe(2);
    expect(it.table.changedSince(version)).toEqual([it.only]);
  });

  test('what arrives in time is not lost, and goes on being watched', () => {
    const it = new Translated();
    it.table.sampling = 'all';
    for (let n = 1; n <= 20; n++) {
      it.table.count(it.counted(CALI1, 'in', n, { last: n * SECOND }));
      it.table.add(it.path(false, { start: n * SECOND - 10 }));
      it.table.expireIdle(n * SECOND);
    }
    it.table.expireIdle(40 * SECOND);
    expect(it.only.lost).toBe(0);
    it.table.count(it.counted(CALI1, 'in', 25, { last: 41 * SECOND }));
    it.table.expireIdle(60 * SECOND);
    expect(it.only.lost).toBe(5);
  });

  test('what was sent within a tick of the last time counted may have been counted', () => {
    const it = new Translated();
    it.table.sampling = 'all';
    it.table.count(it.counted(CALI1, 'in', 3, { last: SECOND }));
    for (const late of [0, COUNT_TICK_NS / 4, COUNT_TICK_NS / 2]) {
      it.table.add(it.path(false, { start: SECOND + late }));
    }
    it.table.expireIdle(60 * SECOND);
    expect(it.only.lost).toBe(0);
  });

  test('what was counted before tracing began is not lost, what comes later may be', () => {
    const it = new Translated();
    it.table.sampling = 'all';
    it.table.tracedSince = 2 * SECOND;
    it.table.count(it.counted(CALI1, 'in', 1_000, { first: SECOND, last: 2 * SECOND }));
    it.table.expireIdle(8 * SECOND);
    expect(it.only.lost).toBe(0);
    it.table.count(it.counted(CALI1, 'in', 1_003, { first: SECOND, last: 9 * SECOND }));
    it.table.add(it.path(false, { start: 9 * SECOND - 10 }));
    it.table.expireIdle(20 * SECOND);
    expect(it.only.lost).toBe(2);
  });

  test('of a flow that was under way and leaves too soon nothing is concluded', () => {
    const it = new Translated();
    it.table.sampling = 'all';
    it.table.tracedSince = 2 * SECOND;
    it.table.count(it.counted(CALI1, 'in', 1_000, { first: SECOND, last: 2 * SECOND }));
    const { only } = it;
    it.table.expireIdle(7 * SECOND - 1);
    expect(only.lost).toBe(0);
    it.table.expireIdle(900 * SECOND);
    expect(only.lost).toBe(0);
  });

  test('of sampled flows nothing is concluded', () => {
    const it = new Translated();
    it.table.sampling = 'part';
    it.table.count(it.counted(CALI1, 'in', 4));
    it.table.expireIdle(60 * SECOND);
    expect(it.only.lost).toBe(0);
  });
});
