import { compilePacketFilter } from 'ebpf-ts';
import { describe, expect, it } from 'vitest';
import type { ClassicBpfInstruction } from '../../src/filter/classic-bpf.js';
import {
  INSTRUCTION_BYTES,
  KERNEL_PROGRAM_ROOM,
  kernelFilter,
  kernelProgram,
} from '../../src/filter/kernel-program.js';
import { PacketFilter } from '../../src/filter/packet-filter.js';

const ACCEPT: ClassicBpfInstruction = { code: 0x06, jt: 0, jf: 0, k: 1 };
const NEGATE: ClassicBpfInstruction = { code: 0x84, jt: 0, jf: 0, k: 0 };

const filterOf = (expression: string): PacketFilter =>
  new PacketFilter(expression, compilePacketFilter);

function codeOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return null;
}

// Its verdicts are compared in the kernel: test/source/filter-trial.test.ts.
describe('a program for the kernel', () => {
  it('is of either link type, and rejects all where the expression has no meaning', () => {
    const { ethernet, raw } = kernelFilter(filterOf('ether host 02:00:00:00:00:01'));
    expect(ethernet.length).toBeGreaterThan(raw.length);
    expect(raw).toEqual(kernelProgram(null));
  });

  it('is none of a loop', () => {
    expect(codeOf(() => kernelFilter(filterOf('ip6 protochain 17')))).toBe('FILTER_LOOPS');
  });

  it('has as many instructions as there is room for, and not one more', () => {
    const empty = kernelProgram([ACCEPT]).length / INSTRUCTION_BYTES;
    const most = KERNEL_PROGRAM_ROOM - empty;
    const negations = (count: number) => [
      ...Array<ClassicBpfInstruction>(count).fill(NEGATE),
      ACCEPT,
    ];
    expect(kernelProgram(negations(most)).length).toBe(KERNEL_PROGRAM_ROOM * INSTRUCTION_BYTES);
    expect(codeOf(() => kernelProgram(negations(most + 1)))).toBe('FILTER_TOO_LARGE');
  });
});
