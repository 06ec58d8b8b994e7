import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { onlineCpus, parseCpuList } from '../../src/source/online-cpus.js';

it.each([
  ['0', [0]],
  ['0\n', [0]],
  ['0-3', [0, 1, 2, 3]],
  ['0-3,8\n', [0, 1, 2, 3, 8]],
  ['1,3,5-6', [1, 3, 5, 6]],
  ['', []],
  ['\n', []],
])("reads the kernel's list %j", (text, cpus) => {
  expect(parseCpuList(text)).toEqual(cpus);
});

it('knows those of this machine, and asks again only after a while', () => {
  const cpus = onlineCpus(1e9);
  expect(cpus.length).toBeGreaterThanOrEqual(availableParallelism());
  expect(new Set(cpus).size).toBe(cpus.length);
  expect(onlineCpus(1e9 + 9_999)).toBe(cpus);
  const later = onlineCpus(1e9 + 10_000);
  expect(later).not.toBe(cpus);
  expect(later).toEqual(cpus);
});
