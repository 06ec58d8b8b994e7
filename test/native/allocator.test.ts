import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { boundMalloc } from 'ebpf-ts';
import { describe, expect, test } from 'vitest';
import { bpfErrorOf } from './expect-bpf-error.js';

const CHILD = fileURLToPath(new URL('children/freed-memory.mjs', import.meta.url));

function keptAfterFreeing(how: 'bound' | 'as-it-is'): number {
  return Number(execFileSync(process.execPath, ['--expose-gc', CHILD, how], { encoding: 'utf8' }));
}

describe('boundMalloc', () => {
  test('arrays that grew and were freed are given back to the kernel', () => {
    const asItIs = keptAfterFreeing('as-it-is');
    const bound = keptAfterFreeing('bound');
    // The child keeps a small array after each large one, so that glibc's heap cannot shrink.
    expect(asItIs).toBeGreaterThan(30 << 20);
    expect(bound).toBeLessThan(asItIs / 3);
  });

  test.each([
    { mappedBytes: 4_095, arenas: 1 },
    { mappedBytes: 1 << 26, arenas: 1 },
    { mappedBytes: 1 << 17, arenas: 0 },
    { mappedBytes: 1.5, arenas: 1 },
  ])('refuses %o', (bounds) => {
    bpfErrorOf(() => boundMalloc(bounds), 'BPF_BAD_ARGUMENT');
  });
});
