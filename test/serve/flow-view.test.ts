import { beforeEach, describe, expect, test } from 'vitest';
import { FlowView } from '../../src/serve/flow-view.js';
import { TOMBSTONE_LIMIT } from '../../src/serve/limits.js';
import { type FlowRow, ROW_WINDOW } from '../../src/serve/protocol.js';
import { droppedFlow, FixtureFeed, serviceFlow } from './fixture-feed.js';

let feed: FixtureFeed;
let view: FlowView;

beforeEach(() => {
  feed = new FixtureFeed();
  view = new FlowView(feed);
});

function rows(json: readonly string[]): FlowRow[] {
  return json.map((text) => JSON.parse(text) as FlowRow);
}

describe('rates', () => {
  test('are unknown at first, then over the time that passed, then nought', () => {
    feed.put(serviceFlow('a', 10));
    view.tick(0);
    expect(view.rates('a')).toBeNull();
    feed.put(serviceFlow('a', 40));
    view.tick(2000);
    // 30 packets of 60 and of 600 bytes in two seconds.
    expect(view.rates('a')).toEqual({
      original: { packetsPerSecond: 15, bytesPerSecond: 900 },
      reply: { packetsPerSecond: 15, bytesPerSecond: 9000 },
    });
    const { cursor } = view.since(0, [], 10);
    view.tick(3000);
    expect(rows(view.since(cursor, [], 10).rows)[0]).toMatchObject({ packetsPerSecond: 0 });
    const later = view.since(cursor, [], 10).cursor;
    view.tick(4000);
    expect(view.since(later, [], 10).rows).toEqual([]);
  });

  test('of a flow first met at a later tick count all its packets', () => {
    view.tick(0);
    feed.put(serviceFlow('a', 7));
    view.tick(1000);
    expect(view.rates('a')?.original.packetsPerSecond).toBe(7);
  });

  test('are unknown when a count falls, since the flow was met again', () => {
    feed.put(serviceFlow('a', 7));
    view.tick(0);
    feed.put(serviceFlow('a', 2));
    view.tick(1000);
    expect(view.rates('a')?.original).toEqual({ packetsPerSecond: null, bytesPerSecond: null });
  });

  test('do not span a time when nobody watched', () => {
    feed.put(serviceFlow('a', 7));
    view.tick(0);
    view.clear();
    expect(view.total).toBe(0);
    view.tick(60_000);
    expect([view.total, view.rates('a')]).toEqual([1, null]);
  });
});

describe('a reader', () => {
  test('gets each change once, the newest state of it, however many it missed', () => {
    feed.put(serviceFlow('a', 1));
    feed.put(serviceFlow('b', 1));
    view.tick(0);
    const first = view.since(0, [], 10);
    expect([first.reset, rows(first.rows).map(({ id }) => id)]).toEqual([true, ['a', 'b']]);
    for (let packets = 2; packets < 9; packets++) {
      feed.put(serviceFlow('a', packets));
      view.tick(packets * 1000);
    }
    const second = view.since(first.cursor, [], 10);
    expect(second.reset).toBe(false);
    const a = rows(second.rows).filter(({ id }) => id === 'a');
    expect(a.map(({ packets }) => packets)).toEqual(['16']);
    expect(view.since(second.cursor, [], 10)).toMatchObject({ rows: [], removed: [], behind: 0 });
  });

  test('is told what went, before what came back under the same id', () => {
    feed.put(serviceFlow('a', 1));
    view.tick(0);
    const { cursor } = view.since(0, [], 10);
    feed.remove('a');
    view.tick(1000);
    feed.put(serviceFlow('a', 1));
    view.tick(2000);
    expect(view.since(cursor, [], 10)).toMatchObject({ removed: ['a'], behind: 0 });
    expect(view.since(cursor, [], 10).rows).toHaveLength(1);
  });

  test('is told of what went even when the feed no longer is', () => {
    feed.put(serviceFlow('a', 1));
    feed.put(serviceFlow('b', 1));
    view.tick(0);
    const { cursor } = view.since(0, [], 10);
    feed.remove('a');
    feed.forgetRemovals();
    view.tick(1000);
    expect([view.total, view.since(cursor, [], 10).removed]).toEqual([1, ['a']]);
  });

  test('of an empty table starts anew only once', () => {
    view.tick(0);
    const first = view.since(0, [], 10);
    expect(first.reset).toBe(true);
    expect(view.since(first.cursor, [], 10).reset).toBe(false);
  });

  test('gets the rest of a full message next', () => {
    for (let index = 0; index < 5; index++) feed.put(serviceFlow(`f${index}`, 1));
    view.tick(0);
    const first = view.since(0, [], 3);
    expect([first.rows.length, first.behind]).toEqual([3, 2]);
    const second = view.since(first.cursor, [], 3);
    expect(rows(second.rows).map(({ id }) => id)).toEqual(['f3', 'f4']);
    expect(second.behind).toBe(0);
  });

  test('starts anew when removals it has not heard of were forgotten, one past the limit', () => {
    for (let index = 0; index <= TOMBSTONE_LIMIT; index++) feed.put(serviceFlow(`f${index}`, 1));
    view.tick(0);
    const { cursor } = view.since(view.since(0, [], 1e6).cursor, [], 1e6);
    for (let index = 0; index < TOMBSTONE_LIMIT; index++) feed.remove(`f${index}`);
    view.tick(1000);
    const within = view.since(cursor, [], 1e6);
    expect([within.reset, within.removed.length]).toEqual([false, TOMBSTONE_LIMIT]);
    feed.remove(`f${TOMBSTONE_LIMIT}`);
    view.tick(2000);
    const past = view.since(cursor, [], 1e6);
    expect([past.reset, past.rows, past.removed]).toEqual([true, [], []]);
    // Who had kept up loses nothing.
    const kept = view.since(within.cursor, [], 1e6);
    expect([kept.reset, kept.removed]).toEqual([false, [`f${TOMBSTONE_LIMIT}`]]);
  });

  test('starting anew gets the rows that changed last, one past the window left out', () => {
    for (let index = 0; index <= ROW_WINDOW; index++) feed.put(serviceFlow(`f${index}`, 1));
    view.tick(0);
    const { rows: json } = view.since(0, [], 1e6);
    expect(json).toHaveLength(ROW_WINDOW);
    expect(rows(json).some(({ id }) => id === 'f0')).toBe(false);
    // With a filter, those that match.
    const only = view.since(0, [{ field: 'id', value: 'f0', negate: false }], 1e6);
    expect(rows(only.rows).map(({ id }) => id)).toEqual(['f0']);
  });
});

test('the row of a dropped flow says so, with the most frequent reason', () => {
  feed.put({
    ...droppedFlow('d', 5),
    drops: { original: '5', reply: '0', reasons: { NO_SOCKET: '1', NETFILTER_DROP: '4' } },
  });
  const { drops } = droppedFlow('l', 5);
  feed.put({ ...serviceFlow('l', 50), drops });
  view.tick(0);
  expect(rows(view.since(0, [], 10).rows)).toMatchObject([
    { id: 'd', verdict: 'dropped', dropReason: 'NETFILTER_DROP', drops: '5', p50: null },
    { id: 'l', verdict: 'lossy', dropReason: 'NETFILTER_DROP' },
  ]);
});
