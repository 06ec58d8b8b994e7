import type { Hook } from 'hopscope-protocol';
import { describe, expect, it } from 'vitest';
import { HOOK_NAMES, OBSERVED_PRIORITIES, tablesAfter } from '../../src/name/netfilter-table.js';
import {
  type HookDemand,
  NO_DEMAND,
  UNKNOWN_DEMAND,
  UNKNOWN_PRIORITIES,
  wantedPlaces,
} from '../../src/source/hook-places.js';

function demanded(hook: Hook, ...priorities: readonly number[]): HookDemand {
  return { ipv4: { [hook]: priorities }, ipv6: {} };
}

/** Priorities of the places of one hook. */
function at(
  demand: HookDemand,
  hook: Hook,
  detail: 'all' | 'edges' = 'all',
  priorityOffset = 0,
): number[] {
  return wantedPlaces(demand, detail, priorityOffset)
    .filter((place) => place.family === 'ipv4' && place.hook === hook)
    .map(({ priority }) => priority);
}

const NOT_INPUT = HOOK_NAMES.filter((hook) => hook !== 'input');

it('is the end of INPUT in both families, and nothing else, where nothing is registered', () => {
  for (const detail of ['all', 'edges'] as const) {
    expect(wantedPlaces(NO_DEMAND, detail, 0)).toEqual([
      { program: 'nf_after_srcnat', family: 'ipv4', hook: 'input', priority: 101 },
      { program: 'nf_after_srcnat', family: 'ipv6', hook: 'input', priority: 101 },
    ]);
  }
});

it('is every place where it is not known what is registered', () => {
  for (const hook of HOOK_NAMES) {
    const all = OBSERVED_PRIORITIES[hook].map(({ priority }) => priority);
    expect(at(UNKNOWN_DEMAND, hook)).toEqual(all);
    expect(at({ ipv4: { [hook]: UNKNOWN_PRIORITIES }, ipv6: {} }, hook)).toEqual(all);
    expect(at(UNKNOWN_DEMAND, hook, 'edges')).toEqual([all[0], all.at(-1)]);
  }
});

it.each<[string, Hook, number[], number[]]>([
  ['a filter: before and after it', 'forward', [0], [-1, 1]],
  ['mangle: before and after it', 'forward', [-150], [-151, 1]],
  ['raw alone', 'prerouting', [-300], [-301, -99]],
  ['conntrack and destination NAT', 'prerouting', [-200, -100], [-301, -101, -99]],
  ['all of iptables', 'prerouting', [-300, -200, -150, -100], [-301, -151, -101, -99]],
  ['IPVS and source NAT', 'postrouting', [98, 100], [97, 101]],
  ['what is past the last place', 'forward', [50], [1]],
  ['what is before the first place', 'prerouting', [-400], [-99]],
  ['the confirmation at the very end', 'input', [0x7fff_ffff], [101]],
  ['a filter of INPUT', 'input', [0], [-1, 101]],
  ['one at the very priority of a place', 'forward', [-1], [-151, -1, 1]],
])('with %s', (_, hook, priorities, places) => {
  expect(at(demanded(hook, ...priorities), hook)).toEqual(places);
});

it('edges are the first and the last of those', () => {
  const demand = demanded('prerouting', -300, -150, -100);
  expect(at(demand, 'prerouting', 'edges')).toEqual([-301, -99]);
  expect(at(demanded('forward', 50), 'forward', 'edges')).toEqual([1]);
});

it('is of the family that something is registered in', () => {
  const places = wantedPlaces({ ipv4: {}, ipv6: { forward: [0] } }, 'all', 0);
  expect(places.filter(({ hook }) => hook === 'forward').map(({ family }) => family)).toEqual([
    'ipv6',
    'ipv6',
  ]);
});

it('goes by the places with their offset', () => {
  expect(at(demanded('forward', -2), 'forward')).toEqual([-151, 1]);
  expect(at(demanded('forward', -2), 'forward', 'all', 2)).toEqual([-3, 3]);
  expect(at(demanded('forward', 0), 'forward', 'all', 2)).toEqual([-3, 3]);
});

describe.each(NOT_INPUT)('the table after a place of %s', (hook) => {
  it('is the same as if every place were seen, whatever is registered', () => {
    const tables = [-300, -200, -150, -100, 0, 50, 98, 100];
    for (let bits = 1; bits < 1 << tables.length; bits++) {
      const priorities = tables.filter((_, i) => bits & (1 << i));
      const registered = priorities.map((priority) => ({ hook, priority, table: `t${priority}` }));
      const used = at(demanded(hook, ...priorities), hook);
      for (const priority of priorities) {
        // Dropped at `priority`: last seen at the nearest used place before it.
        const last = used.filter((place) => place < priority).at(-1);
        const full = OBSERVED_PRIORITIES[hook]
          .map((place) => place.priority)
          .filter((place) => place < priority)
          .at(-1);
        if (full === undefined) continue;
        expect(last, `${priority} of ${priorities} in ${used}`).toBe(full);
        expect(tablesAfter(hook, full, registered)).toContain(`t${priority}`);
      }
    }
  });
});
