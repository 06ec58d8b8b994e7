import { describe, expect, it } from 'vitest';
import {
  HOOK_NAMES,
  OBSERVED_PRIORITIES,
  PRIORITY_SHIFT_LIMIT,
  tableAfter,
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

  it('has room to move aside without passing a table or another place', () => {
    const taken = places.flatMap((place, index) =>
      Array.from({ length: PRIORITY_SHIFT_LIMIT }, (_, shift) => ({
        index,
        priority: place.priority + shift * place.aside,
      })),
    );
    expect(new Set(taken.map(({ priority }) => priority)).size).toBe(taken.length);
    for (const table of Object.values(TABLES)) {
      for (const { index, priority } of taken) {
        const place = places[index]?.priority ?? Number.NaN;
        expect(Math.sign(priority - table), `${place} aside to ${priority}`).toBe(
          Math.sign(place - table),
        );
      }
    }
  });

  it('names the same table however far a place was moved aside', () => {
    for (const { priority, aside, next } of places) {
      for (let shift = 0; shift < PRIORITY_SHIFT_LIMIT; shift++) {
        expect(tableAfter(hook, priority + shift * aside)).toBe(next);
      }
    }
  });

  it('names no table for a priority nothing is seen at', () => {
    for (const priority of [-1000, -220, 50, 1000]) expect(tableAfter(hook, priority)).toBeNull();
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
] as const)('%s behind %d comes %s', (hook, priority, table) => {
  expect(tableAfter(hook, priority)).toBe(table);
});
