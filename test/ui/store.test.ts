import { describe, expect, test } from 'vitest';
import { HISTORY_LIMIT, History, SERIES_LIMIT } from '../../ui/src/store/history.js';
import { LegWindow, legTimes, WINDOW_SECONDS } from '../../ui/src/store/leg-window.js';
import { backoffMs } from '../../ui/src/stream/backoff.js';
import { servicePath } from '../serve/fixture-feed.js';

describe('history', () => {
  test('keeps as many points as it may, one past the limit drops the oldest', () => {
    const history = new History();
    for (let time = 1; time <= HISTORY_LIMIT + 1; time++) {
      history.push(time, new Map([['a', time]]));
    }
    expect(history.times).toHaveLength(HISTORY_LIMIT);
    expect([history.times[0], history.series('a')[0]]).toEqual([2, 2]);
  });

  test('a series that begins late has gaps before, one that ends has gaps after', () => {
    const history = new History();
    history.push(1, new Map([['a', 1]]));
    history.push(2, new Map([['b', 2]]));
    expect(history.series('a')).toEqual([1, null]);
    expect(history.series('b')).toEqual([null, 2]);
    expect(history.series('never')).toEqual([null, null]);
  });

  test('takes no more series than it may, and counts the refused', () => {
    const history = new History();
    const values = Array.from(
      { length: SERIES_LIMIT + 1 },
      (_, index) => [`s${index}`, 1] as const,
    );
    history.push(1, new Map(values));
    expect(history.refused).toBe(1);
  });

  test('a series without points in the whole window makes room', () => {
    const history = new History();
    history.push(0, new Map([['gone', 1]]));
    for (let time = 1; time <= HISTORY_LIMIT; time++) history.push(time, new Map());
    expect(history.series('gone').every((point) => point === null)).toBe(true);
  });

  test('a time that does not move on is no new point', () => {
    const history = new History();
    history.push(5, new Map([['a', 1]]));
    history.push(5, new Map([['a', 2]]));
    history.push(4, new Map([['a', 3]]));
    expect(history.series('a')).toEqual([1]);
  });
});

describe('latency of the last seconds', () => {
  const path = servicePath('a', 0, 'original', 38_610);

  test('priorities of one hook are one place: the time to its first is the leg', () => {
    const times = legTimes(path, 'original');
    const hook = 'original|node111|node111|calice0906292e2|netfilter|prerouting';
    expect(times.get(hook)).toBe(420);
    // What passed within the hook belongs to the next place.
    const forward = 'original|node111|node111|vxlan.calico|netfilter|forward';
    expect(times.get(forward)).toBe(3100 + 1500);
    expect(times.size).toBe(12);
  });

  test('a time that is not known makes none up', () => {
    const hops = path.hops.map((hop, index) => (index === 2 ? { ...hop, sincePrevNs: null } : hop));
    const times = legTimes({ ...path, hops }, 'original');
    expect(times.has('original|node111|node111|calice0906292e2|netfilter|prerouting')).toBe(false);
    expect(times.size).toBe(11);
  });

  test('quantiles are by nearest rank and old packets count no more', () => {
    const window = new LegWindow();
    const key = 'original|node111|node111|calice0906292e2|ingress|';
    for (const index of [0, 1, 2])
      window.add(servicePath('a', index, 'original', 1), 'original', 100);
    const times = [0, 1, 2]
      .map((index) => legTimes(servicePath('a', index, 'original', 1), 'original').get(key) ?? -1)
      .sort((a, b) => a - b);
    expect(window.quantiles(101).get(key)).toMatchObject({
      p50: times[1],
      p99: times[2],
      count: 3,
    });
    expect(window.quantiles(100 + WINDOW_SECONDS).size).toBe(0);
  });
});

test('attempts to reconnect come later and later, to a limit, and not in step', () => {
  expect([1, 2, 3].map((attempt) => backoffMs(attempt, 0))).toEqual([300, 600, 1200]);
  expect([backoffMs(10, 0), backoffMs(1000, 0)]).toEqual([8000, 8000]);
  expect(backoffMs(1, 1)).toBe(225);
});
