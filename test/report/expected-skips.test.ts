import { expect, test } from 'vitest';
import { expectedSkips, kernelVersion, unexpectedSkips } from './expected-skips.mjs';

const EXPECTED = { native: { '6.1': ['tcx links attach', 'netfilter *'] } };

test('a skip that is pinned for the suite and the kernel is expected, another one is not', () => {
  const skipped = ['tcx links attach', 'netfilter links attach', 'maps are read', 'tcx links'];
  expect(unexpectedSkips(EXPECTED, 'native', '6.1', skipped)).toEqual([
    'maps are read',
    'tcx links',
  ]);
  expect(unexpectedSkips(EXPECTED, 'native', '6.1', [])).toEqual([]);
});

test('of a suite or a kernel that nothing is pinned for, nothing is known', () => {
  expect(unexpectedSkips(EXPECTED, 'native', '6.12', ['tcx links attach'])).toBeNull();
  expect(unexpectedSkips(EXPECTED, 'unit', '6.1', [])).toBeNull();
});

test('a kernel is named by its first two numbers', () => {
  expect(['6.12.48+deb13-amd64', '6.1.0-41-amd64', '6.18.44'].map(kernelVersion)).toEqual([
    ...['6.12', '6.1', '6.18'],
  ]);
});

test('no pinned name covers everything', () => {
  for (const kernels of Object.values(expectedSkips())) {
    for (const names of Object.values(kernels)) {
      for (const name of names) expect(name.replace('*', '').trim().length).toBeGreaterThan(10);
    }
  }
});
