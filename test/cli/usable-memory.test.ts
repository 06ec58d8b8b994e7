import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { usableMemory } from '../../src/cli/usable-memory.js';
import {
  heapMibFor,
  MEMORY_DEFAULT,
  MEMORY_LEAST,
  withinHeap,
} from '../../src/model/memory-budget.js';
import { serverHeapMib } from '../../src/serve/limits.js';
import { MAIN } from '../cli/command-line.js';

const MIB = 1 << 20;

test('what is asked for is used where the heap has room for it, and less where it has not', () => {
  expect(usableMemory(MEMORY_DEFAULT, 1024 * MIB)).toBe(MEMORY_DEFAULT);
  expect(withinHeap(8192 * MIB, 4144 * MIB)).toBeLessThan(4144 * MIB);
  expect(withinHeap(8192 * MIB, heapMibFor(8192 * MIB) * MIB)).toBe(8192 * MIB);
  expect(() => usableMemory(MEMORY_DEFAULT, 100 * MIB)).toThrow(
    expect.objectContaining({ code: 'HEAP_TOO_SMALL' }),
  );
});

test('a heap too small is an error with its remedy, and one that is small a warning', async () => {
  const replay = (heapMib: number): Promise<{ stderr: string; code: number }> =>
    promisify(execFile)(process.execPath, [
      ...[`--max-old-space-size=${heapMib}`, MAIN, 'replay', '/nonexistent', '--memory', '512M'],
    ]).then(
      ({ stderr }) => ({ stderr, code: 0 }),
      ({ stderr, code }: { stderr: string; code: number }) => ({ stderr, code }),
    );
  const tooSmall = await replay(64);
  expect(tooSmall.stderr).toMatch(/HEAP_TOO_SMALL/);
  expect(tooSmall.stderr).toMatch(/max-old-space-size=316/);
  expect(tooSmall.code).toBe(2);
  expect((await replay(256)).stderr).toMatch(/of 512M of --memory \d+M are used/);
});

test('the heap of the server process follows its share, and is within the budget', () => {
  const rows = (mib: number): number => Math.floor((mib * MIB) / 3072);
  // 64 of them for the names of a cluster.
  expect(serverHeapMib(0)).toBe(128);
  expect(serverHeapMib(rows(20))).toBe(158);
  expect(serverHeapMib(rows(1000))).toBe(320);
  expect(MEMORY_LEAST / MIB).toBeGreaterThan(2 * serverHeapMib(rows(2)));
});
