import { type FlowRow, type ParsedFilter, parseFilter, ROW_WINDOW } from 'hopscope-protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import { ClientRows, type RowDelta } from '../../src/serve/client-rows.js';
import { CLIENT_REMOVED_LIMIT, FILTERED_ROW_COST } from '../../src/serve/limits.js';
import { RowTable } from '../../src/serve/row-table.js';
import { rowUpdate } from './fixture-collector.js';
import { serviceFlow } from './fixture-feed.js';

const ALL = 1e6;

let table: RowTable;

beforeEach(() => {
  table = new RowTable(16_384);
});

function put(ids: readonly string[], packets = 1, old = false): void {
  const updates = ids.map((id) => rowUpdate(serviceFlow(id, packets), old));
  table.apply({ ...EMPTY, updates });
}

const EMPTY = {
  updates: [],
  removed: [],
  total: 0,
  ended: 0,
  behind: 0,
  reset: false,
  timeMs: 0,
  newestNs: 0,
};

function remove(removed: readonly string[]): void {
  table.apply({ ...EMPTY, removed });
}

function named(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `f${from + index}`);
}

function rows(delta: RowDelta | null): FlowRow[] {
  return (delta?.rows ?? []).map((text) => JSON.parse(text) as FlowRow);
}

function ids(delta: RowDelta | null): string[] {
  return rows(delta).map(({ id }) => id);
}

function only(id: string): ParsedFilter {
  return parseFilter(`id:${id}`);
}

const now = (): string => '0';

describe('a client', () => {
  test('gets each change once, the newest state of it, however many it missed', () => {
    put(['a', 'b']);
    const client = new ClientRows(table, now);
    const first = client.next(10, ALL);
    expect([first?.reset, ids(first)]).toEqual([true, ['a', 'b']]);
    for (let packets = 2; packets < 9; packets++) put(['a'], packets);
    const second = client.next(10, ALL);
    expect(second).toMatchObject({ reset: false, removed: [], behind: 0 });
    expect(rows(second).map(({ id, packets }) => [id, packets])).toEqual([['a', '16']]);
    expect(client.next(10, ALL)).toEqual({ reset: false, rows: [], removed: [], behind: 0 });
  });

  test('is sent every row that changes, more of them than a message holds', () => {
    put(named(200));
    const client = new ClientRows(table, now);
    while ((client.next(40, ALL)?.behind ?? 1) > 0) {
      // until it has all
    }
    const busy = named(5, 100);
    const sent = new Map<string, number>();
    for (let tick = 0; tick < 20; tick++) {
      put(busy, tick + 2);
      put(named(200), tick + 2);
      put(busy, tick + 3);
      for (const id of ids(client.next(40, ALL))) sent.set(id, (sent.get(id) ?? 0) + 1);
    }
    expect(named(200).map((id) => sent.get(id))).toEqual(named(200).map(() => 4));
  });

  test('gets rows it never had before the many that it has', () => {
    put(named(1000));
    const client = new ClientRows(table, now);
    client.next(ALL, ALL);
    for (let tick = 0; tick < 5; tick++) {
      put([...named(1000), `new${tick}`], tick + 2);
      const delta = client.next(40, ALL);
      expect(ids(delta)).toContain(`new${tick}`);
      expect(delta?.rows).toHaveLength(40);
    }
    // However many there are, half a message is left to those it has.
    put(named(500, 2000));
    const known = ids(client.next(40, ALL)).filter((id) => id.length < 5);
    expect(known).toHaveLength(20);
  });

  test('that gets nothing for long keeps no more than the table has, and then gets it all', () => {
    table = new RowTable(64);
    const client = new ClientRows(table, now);
    client.next(ALL, ALL);
    for (let round = 0; round < 10; round++) put(named(64, round * 64));
    const delta = client.next(ALL, ALL);
    expect(ids(delta).sort()).toEqual(named(64, 576).sort());
    expect([delta?.removed, delta?.behind]).toEqual([[], 0]);
  });

  test('learns what went, and only of what it had', () => {
    put(['a', 'b']);
    const client = new ClientRows(table, now);
    client.next(1, ALL);
    remove(['a', 'b']);
    put(['c']);
    expect(client.next(10, ALL)).toMatchObject({ reset: false, removed: ['a'] });
  });

  test('of a slot that was another flow gets the new row, and that the old one went', () => {
    put(['a']);
    const client = new ClientRows(table, now);
    client.next(10, ALL);
    remove(['a']);
    put(['b']);
    const delta = client.next(10, ALL);
    expect([delta?.removed, ids(delta)]).toEqual([['a'], ['b']]);
  });

  test('of an empty table starts anew only once', () => {
    const client = new ClientRows(table, now);
    expect(client.next(10, ALL)?.reset).toBe(true);
    expect(client.next(10, ALL)?.reset).toBe(false);
  });

  test('starts anew when more rows went than are kept for it, one past the limit', () => {
    put(named(CLIENT_REMOVED_LIMIT + 2));
    const clients = [new ClientRows(table, now), new ClientRows(table, now)] as const;
    // The page keeps fewer, but all these changed since.
    put(named(CLIENT_REMOVED_LIMIT + 2), 2);
    for (const client of clients) client.next(ALL, ALL);
    remove(named(CLIENT_REMOVED_LIMIT));
    const kept = clients[0].next(10, ALL);
    expect([kept?.reset, kept?.removed.length]).toEqual([false, CLIENT_REMOVED_LIMIT]);
    remove(named(1, CLIENT_REMOVED_LIMIT));
    expect(clients[0].next(10, ALL)).toMatchObject({ reset: false, removed: ['f8192'] });
    const anew = clients[1].next(10, ALL);
    expect([anew?.reset, ids(anew)]).toEqual([true, ['f8193']]);
  });

  test('starting anew gets the rows that changed last, one past the window left out', () => {
    put(named(ROW_WINDOW + 1));
    const client = new ClientRows(table, now);
    expect(ids(client.next(ALL, ALL))).toEqual(named(ROW_WINDOW, 1));
    // With a filter, those that match.
    client.restart(only('f0'));
    const narrowed = client.next(ALL, ALL);
    expect([narrowed?.reset, ids(narrowed)]).toEqual([true, ['f0']]);
  });

  test('looks at no more rows at a time than it may', () => {
    put(named(100));
    const client = new ClientRows(table, now);
    client.restart(only('f10'));
    const looks = 40 * (FILTERED_ROW_COST + 1);
    expect(client.next(10, looks)).toBeNull();
    put(['f10'], 2);
    expect(client.next(10, looks)).toBeNull();
    const delta = client.next(10, looks);
    expect(rows(delta)).toMatchObject([{ id: 'f10', packets: '4' }]);
    expect(delta?.behind).toBe(0);
  });

  test('looks at fewer rows the more terms its filter has, those that changed too', () => {
    const client = new ClientRows(table, now);
    client.restart(parseFilter('-f '.repeat(8)));
    client.next(10, ALL);
    put(named(100));
    expect(client.next(10, 40 * (FILTERED_ROW_COST + 8))?.behind).toBe(60);
    expect(client.next(10, 40 * (FILTERED_ROW_COST + 8))?.behind).toBe(20);
    expect(client.next(10, ALL)).toMatchObject({ rows: [], behind: 0 });
  });

  test('learns when a row it had does not match any more', () => {
    put(['a', 'b']);
    const client = new ClientRows(table, now);
    client.restart(parseFilter('-state:closed'));
    client.next(10, ALL);
    const closed = rowUpdate({ ...serviceFlow('a', 2), state: 'closed' });
    table.apply({ ...EMPTY, updates: [closed] });
    expect(client.next(10, ALL)).toMatchObject({ rows: [], removed: ['a'] });
    table.apply({ ...EMPTY, updates: [closed] });
    expect(client.next(10, ALL)).toMatchObject({ rows: [], removed: [] });
  });

  test('whose page is full is not sent rows older than all it has', () => {
    put(named(ROW_WINDOW));
    const client = new ClientRows(table, now);
    client.next(ALL, ALL);
    put(['old'], 1, true);
    expect(client.next(10, ALL)).toMatchObject({ rows: [], behind: 0 });
    put(['old'], 2);
    expect(ids(client.next(10, ALL))).toEqual(['old']);
  });

  test('starts anew with the table', () => {
    put(['a']);
    const client = new ClientRows(table, now);
    client.next(10, ALL);
    table.clear();
    put(['b']);
    const delta = client.next(10, ALL);
    expect([delta?.reset, delta?.removed, ids(delta)]).toEqual([true, [], ['b']]);
  });
});
