import { describe, expect, it } from 'vitest';
import {
  HOOK_NAMES,
  OBSERVED_PRIORITIES,
  PRIORITY_OFFSET_LIMIT,
  tablesAfter,
} from '../../src/name/netfilter-table.js';

/** Where the kernel's own tables are: enum nf_ip_hook_priorities. */
const TABLES = { raw: -300, mangle: -150, dstnat: -100, filter: 0, srcnat: 100 };

it('numbers hooks as enum nf_inet_hooks does', () => {
  expect(HOOK_NAMES).toEqual(['prerouting', 'input', 'forward', 'output', 'postrouting']);
});

describe.each(HOOK_NAMES)('%s', (hook) => {
  const places = OBSERVED_PRIORITIES[hook];

  it('is seen at rising priorities', () => {
    const priorities = places.map(({ priority }) => priority);
    expect(priorities).toEqual([...priorities].sort((a, b) => a - b));
    expect(new Set(priorities).size).toBe(priorities.length);
  });

  it('has room for an offset without passing a table or another place', () => {
    const taken = places.flatMap((place, index) =>
      Array.from({ length: PRIORITY_OFFSET_LIMIT }, (_, priorityOffset) => ({
        index,
        priority: place.priority + priorityOffset * place.offsetSign,
      })),
    );
    expect(new Set(taken.map(({ priority }) => priority)).size).toBe(taken.length);
    for (const table of Object.values(TABLES)) {
      for (const { index, priority } of taken) {
        const place = places[index]?.priority ?? Number.NaN;
        expect(Math.sign(priority - table), `${place} offset to ${priority}`).toBe(
          Math.sign(place - table),
        );
      }
    }
  });

  it('names the same table at whatever offset', () => {
    for (const { priority, offsetSign, next } of places) {
      for (let priorityOffset = 0; priorityOffset < PRIORITY_OFFSET_LIMIT; priorityOffset++) {
        expect(tablesAfter(hook, priority + priorityOffset * offsetSign)).toEqual(
          next === null ? [] : [next],
        );
      }
    }
  });

  it('names no table for a priority nothing is seen at', () => {
    const everything = [{ hook, priority: 2000, table: 'late' }];
    for (const priority of [-1000, -220, 50, 1000]) {
      expect(tablesAfter(hook, priority)).toEqual([]);
      expect(tablesAfter(hook, priority, everything)).toEqual([]);
    }
  });
});

it.each([
  ['prerouting', -301, 'raw'],
  ['prerouting', -101, 'nat'],
  ['input', -1, 'filter'],
  ['forward', -151, 'mangle'],
  ['forward', -3, 'filter'],
  ['output', -99, 'filter'],
  ['output', -97, 'filter'],
  ['postrouting', 95, 'nat'],
  ['postrouting', 101, null],
] as const)('%s after %d comes %s', (hook, priority, table) => {
  expect(tablesAfter(hook, priority)).toEqual(table === null ? [] : [table]);
});

describe('where it is known what is registered there', () => {
  const forward = (priority: number, table: string) =>
    ({ hook: 'forward', priority, table }) as const;

  it.each([
    ['one table by its own name', -1, [forward(0, 'firewall')], ['firewall']],
    ['one table with several chains once', -1, [forward(0, 'fw'), forward(-0, 'fw')], ['fw']],
    [
      'all of one priority',
      -1,
      [forward(0, 'kube-proxy'), forward(0, 'filter')],
      ['filter', 'kube-proxy'],
    ],
    ['not what comes before', -1, [forward(-10, 'early'), forward(0, 'filter')], ['filter']],
    ['not what comes after the next place', -151, [forward(0, 'filter')], []],
    ['what is after the last place', 1, [forward(0, 'filter'), forward(10, 'late')], ['late']],
    ['what made the next place take an offset', -1, [forward(1, 'odd')], ['odd']],
    ['what made this place take an offset', -2, [forward(-1, 'odd')], ['odd']],
    ['nothing of another hook', -1, [{ hook: 'input', priority: 0, table: 'filter' }], []],
    ['no table that is not there', -151, [], []],
  ] as const)('names %s', (_, priority, registered, tables) => {
    expect(tablesAfter('forward', priority, registered)).toEqual(tables);
  });
});

it('names every table up to the last place where only the edges of a hook were observed', () => {
  const registered = [
    { hook: 'forward', priority: -150, table: 'mangle' },
    { hook: 'forward', priority: 0, table: 'filter' },
    { hook: 'forward', priority: 50, table: 'security' },
  ] as const;
  expect(tablesAfter('forward', -151, registered)).toEqual(['mangle']);
  expect(tablesAfter('forward', -151, registered, true)).toEqual(['filter', 'mangle']);
  expect(tablesAfter('forward', 1, registered, true)).toEqual(['security']);
  // What iptables has after the first place is not all there may be.
  expect(tablesAfter('forward', -151, null, true)).toEqual([]);
});
