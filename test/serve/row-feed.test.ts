import { beforeEach, describe, expect, test } from 'vitest';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import { Names } from '../../src/name/names.js';
import { RowFeed, type RowFeedLimits } from '../../src/serve/row-feed.js';
import { type RowBatch, readBatch } from '../../src/serve/row-reader.js';
import { Joining } from '../fixtures/joined.js';
import { Tape } from '../fixtures/tape.js';
import { datagram } from './short-flow.js';

const NAMES = new Names(EMPTY_CATALOG);

let tape: Tape;
let joining: Joining;

beforeEach(() => {
  tape = new Tape();
  joining = new Joining({ flowLimit: 4000 });
});

/** A packet of each of these flows, in this order. */
function change(sports: Iterable<number>): void {
  for (const sport of sports) {
    datagram(tape, sport);
  }
  joining.end(tape);
}

function feedOf(limits: RowFeedLimits): RowFeed {
  const feed = new RowFeed(joining.flows, limits);
  feed.restart();
  return feed;
}

function next(feed: RowFeed): RowBatch {
  // A copy: the feed writes the next one over it.
  return readBatch(feed.batch(0).slice(), NAMES, 0n);
}

function sports(batch: RowBatch): number[] {
  return batch.updates.map(({ row }) => row.src.port ?? -1);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

describe('with more changes in a tick than rows', () => {
  const ROWS = 40;
  const FLOWS = 200;

  test('every flow is sent, the busiest and the quietest alike', () => {
    const quiet = range(1000, 1000 + FLOWS - 5);
    const busy = range(5000, 5005);
    change([...quiet, ...busy]);
    const feed = feedOf({ rows: ROWS });
    while (next(feed).updates.length > 0) {
      // until all are known
    }
    const ticks = 20;
    const sent = new Map<number, number>();
    for (let tick = 0; tick < ticks; tick++) {
      // The busiest change again and again, and last of all.
      change([...busy, ...quiet, ...busy, ...busy]);
      for (const sport of sports(next(feed))) sent.set(sport, (sent.get(sport) ?? 0) + 1);
    }
    // 800 rows for 200 flows: four each, none twice in a round.
    for (const sport of [...quiet, ...busy]) {
      expect([sport, sent.get(sport)]).toEqual([sport, (ticks * ROWS) / FLOWS]);
    }
  });

  test('a row is as the flow is when its turn comes', () => {
    change(range(1000, 1000 + ROWS + 1));
    const feed = feedOf({ rows: ROWS });
    next(feed);
    change([1000]);
    change([1000]);
    const batch = next(feed);
    const row = batch.updates.find(({ row }) => row.src.port === 1000);
    expect([row?.packets, batch.behind]).toEqual([[3, 0], 0]);
  });

  test('a flood of new flows leaves half of the rows to those known', () => {
    const known = range(1000, 1000 + ROWS);
    change(known);
    const feed = feedOf({ rows: ROWS });
    next(feed);
    for (let tick = 0; tick < 4; tick++) {
      change(range(20_000 + tick * 500, 20_500 + tick * 500));
      change(known);
      const batch = sports(next(feed));
      expect(batch).toHaveLength(ROWS);
      expect(batch.filter((sport) => sport < 2000)).toHaveLength(ROWS / 2);
    }
  });

  test('known flows that change all the time leave new ones their share', () => {
    const known = range(1000, 1000 + FLOWS);
    change(known);
    const feed = feedOf({ rows: ROWS });
    while (next(feed).updates.length > 0) {
      // until all are known
    }
    change([...known, 30_000]);
    expect(sports(next(feed))).toContain(30_000);
  });
});

describe('begun anew', () => {
  test('it gives the flows that changed last, the newest first, one past the limit left out', () => {
    change(range(1000, 1011));
    const feed = feedOf({ rows: 6, table: 10 });
    const [first, second, third] = [next(feed), next(feed), next(feed)];
    expect([first.reset, second.reset]).toEqual([true, false]);
    expect([...sports(first), ...sports(second)]).toEqual(range(1001, 1011).reverse());
    expect(first.updates.every(({ old }) => old)).toBe(true);
    expect([sports(third), third.total]).toEqual([[], 11]);
  });

  test('what changes meanwhile comes as a change, and once', () => {
    change(range(1000, 1020));
    const feed = feedOf({ rows: 8 });
    next(feed);
    change([1000]);
    const rest = [next(feed), next(feed)];
    const all = rest.flatMap(({ updates }) => updates);
    expect(all.filter(({ row }) => row.src.port === 1000)).toMatchObject([{ old: false }]);
    expect(all).toHaveLength(12);
  });

  test('a second time it gives all again', () => {
    change(range(1000, 1005));
    const feed = feedOf({ rows: 8 });
    next(feed);
    feed.clear();
    expect(next(feed).updates).toEqual([]);
    feed.restart();
    expect(next(feed).updates).toHaveLength(5);
  });
});

test('flows that left the table are named, and not sent though they waited', () => {
  change(range(1000, 1008));
  const feed = feedOf({ rows: 4 });
  const first = next(feed);
  const ids = joining.allFlows().map(({ id }) => id);
  joining.flows.expireIdle(tape.now + 700e9);
  const batch = next(feed);
  expect([batch.updates, batch.total]).toEqual([[], 0]);
  expect([...batch.removed].sort()).toEqual([...ids].sort());
  expect(batch.removed).toContain(first.updates[0]?.row.id);
});

test('one change too many for the line is left until the flow changes again, and counted', () => {
  const feed = feedOf({ rows: 4, queue: 10 });
  change(range(1000, 1011));
  const [first] = [next(feed), next(feed), next(feed)];
  expect(feed.skipped).toBe(1);
  expect(first.behind).toBe(6);
  expect(next(feed).updates).toEqual([]);
  change([1010]);
  expect(sports(next(feed))).toEqual([1010]);
  expect(feed.skipped).toBe(1);
});
