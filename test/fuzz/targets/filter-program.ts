import {
  ClassicBpf,
  ClassicBpfError,
  type ClassicBpfInstruction,
  MAX_CLASSIC_BPF_INSTRUCTIONS,
} from '../../../src/filter/classic-bpf.js';
import { KernelProgramError, kernelProgram } from '../../../src/filter/kernel-program.js';
import { FIXTURES } from '../../packet/fixtures.js';
import { GuardedView } from '../guarded-view.js';
import { runKernelProgram } from '../kernel-interpreter.js';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

const INSTRUCTION = 8;
/** Bytes that the kernel's filter has of a packet. */
const KERNEL_BYTES = 176;
const BEFORE = 16;

/** Programs of classic BPF, and what the kernel is given for them. */
export const FILTER_PROGRAM_TARGET: Target = {
  name: 'filter-program',
  kind: 'bytes',
  longest: INSTRUCTION * (MAX_CLASSIC_BPF_INSTRUCTIONS + 1),
  era: null,
  lanes: 1,
  leastGood: 0.1,
  begin: () => new FilterProgramEra(),
};

class FilterProgramEra implements Era {
  good = 0;

  check(input: Uint8Array, random: Random): void {
    const instructions = instructionsOf(input);
    let program: ClassicBpf;
    try {
      program = new ClassicBpf(instructions);
    } catch (error) {
      if (error instanceof ClassicBpfError && /^BPF_[A-Z_]+$/u.test(error.code)) return;
      throw error;
    }
    const { bytes } = random.pick(FIXTURES);
    const there = Math.min(bytes.length, KERNEL_BYTES - BEFORE, random.below(200));
    const wire = bytes.length + random.below(2000);
    const memory = new Uint8Array(KERNEL_BYTES).fill(0x45);
    memory.set(bytes.subarray(0, there), BEFORE);
    const view = new GuardedView(memory, BEFORE, BEFORE + there);
    const accepts = program.run(view, BEFORE, there, wire);
    if (program.run(view, BEFORE, there, wire) !== accepts) throw new Error('two verdicts');
    this.good += 1;

    let translated: Uint8Array;
    try {
      translated = kernelProgram(instructions);
    } catch (error) {
      if (error instanceof KernelProgramError) return;
      throw error;
    }
    const verdict = runKernelProgram(translated, memory, BEFORE, there, wire);
    if (verdict !== (accepts ? 1 : 0)) {
      throw new Error(`the kernel says ${verdict} where ${accepts} is right`);
    }
  }
}

/** As seeds.ts writes them: u16 code, u8 jt, u8 jf, u32 k. */
function instructionsOf(input: Uint8Array): ClassicBpfInstruction[] {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  return Array.from({ length: Math.floor(input.length / INSTRUCTION) }, (_, index) => ({
    code: view.getUint16(INSTRUCTION * index, true),
    jt: view.getUint8(INSTRUCTION * index + 2),
    jf: view.getUint8(INSTRUCTION * index + 3),
    k: view.getUint32(INSTRUCTION * index + 4, true),
  }));
}
