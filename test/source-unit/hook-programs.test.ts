import type { Hook } from 'hopscope-protocol';
import { describe, expect, test } from 'vitest';
import { HOOK_NAMES, OBSERVED_PRIORITIES } from '../../src/name/netfilter-table.js';
import {
  FUNCTION_PROGRAMS,
  hookPriorities,
  isIndispensable,
  LINK_PROGRAM_NAMES,
  linkProgram,
  modulesOf,
} from '../../src/source/hook-programs.js';

describe('the places of a hook, for the tracer', () => {
  const table = new Int32Array(hookPriorities().buffer);

  test('are five a hook, upwards, filled up with what no priority exceeds', () => {
    expect(table.length).toBe(HOOK_NAMES.length * 5);
    expect([...table.subarray(0, 5)]).toEqual([-301, -151, -101, -99, 0x7fff_ffff]);
    HOOK_NAMES.forEach((hook, row) => {
      const places = [...table.subarray(row * 5, row * 5 + 5)];
      expect(places).toEqual([...places].sort((a, b) => a - b));
      const used = places.filter((place) => place !== 0x7fff_ffff);
      expect(used).toEqual(OBSERVED_PRIORITIES[hook].map(({ priority }) => priority));
    });
  });

  test('are refused where a hook has one more than there is room for', () => {
    const six = [1, 2, 3, 4, 5, 6].map((priority) => ({ priority }));
    const crowded: Record<Hook, readonly { readonly priority: number }[]> = {
      ...OBSERVED_PRIORITIES,
      forward: six,
    };
    expect(() => hookPriorities(crowded)).toThrow(
      'forward has 6 priorities that are observed, at most 5 fit',
    );
    expect(() => hookPriorities({ ...crowded, forward: six.slice(1) })).not.toThrow();
  });
});

test('every place has a program for a link, and no other priority has', () => {
  for (const hook of HOOK_NAMES) {
    for (const { priority } of OBSERVED_PRIORITIES[hook]) {
      expect(LINK_PROGRAM_NAMES).toContain(linkProgram(priority));
    }
  }
  expect(() => linkProgram(7)).toThrow('no entry point for priority 7');
});

test('modules are watched for that programs read of or are attached to', () => {
  expect(modulesOf('link')).toEqual(['nf_conntrack']);
  expect(modulesOf('none')).toEqual(['nf_conntrack']);
  const watched = modulesOf('fentry');
  for (const { module } of FUNCTION_PROGRAMS) {
    if (module !== null) expect(watched).toContain(module);
  }
  expect(new Set(watched).size).toBe(watched.length);
});

test('what is indispensable is in every kernel, not in a module', () => {
  const needed = FUNCTION_PROGRAMS.filter(isIndispensable);
  expect(needed.map(({ module }) => module)).toEqual(needed.map(() => null));
  expect(needed.map(({ target }) => target)).toContain('nf_hook_slow');
});
