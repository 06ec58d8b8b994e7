import { HopscopeError } from '../model/errors.js';
import type { ClassicBpfInstruction } from './classic-bpf.js';
import * as classic from './classic-opcodes.js';
import type { PacketFilter } from './packet-filter.js';

/** A classic program that the kernel cannot be given; user space runs it all the same. */
export class KernelProgramError extends HopscopeError {}

/** Instructions there is room for: FILTER_ROOM of bpf/filter.h. */
export const KERNEL_PROGRAM_ROOM = 2048;
/** Bytes of one eBPF instruction. */
export const INSTRUCTION_BYTES = 8;

/** Bytes asked of at most, and where they begin: struct filter_bytes of bpf/filter.h. */
const MOST_BYTES = 176;
const BYTES_AT = 24;
const SCRATCH_WORDS = 16;

/*
 * eBPF operations: class in the low three bits, then source and operation, or size and
 * mode (Documentation/bpf/standardization/instruction-set.rst, RFC 9669).
 */
const CLASS_LDX = 0x61;
const CLASS_ALU32 = 0x04;
const CLASS_JMP32 = 0x06;
const FROM_REGISTER = 0x08;
const STORE_W = 0x63;
const MOV64_K = 0xb7;
const MOV64_X = 0xbf;
const ADD64_K = 0x07;
const ADD64_X = 0x0f;
const MOV32 = 0xb0;
const TO_BIG_ENDIAN = 0xdc;
const GOTO = 0x05;
const EXIT = 0x95;
const IF_EQUAL = 0x10;
const IF_ABOVE = 0x20;
const IF_BELOW = 0xa0;
const SIZE = { w: 0x00, h: 0x08, b: 0x10 } as const;
const SIZE_BYTES = { w: 4, h: 2, b: 1 } as const;
type Size = keyof typeof SIZE;

/** Registers: those of the call, and what stands for the classic machine's. */
const ACCUMULATOR = 0;
const FROM = 1;
const AT = 2;
const THERE = 3;
const WIRE = 4;
const INDEX = 5;
const WORK = 2;
const POINTER = 7;
const FRAME = 10;

/** Labels beside those of the classic instructions, which are their indices. */
const REJECT = -1;
const ACCEPT = -2;

interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
  /** Where it jumps to, in place of `off`. */
  readonly to?: number;
}

/** A filter as the kernel runs it: eBPF instructions for either beginning of a packet. */
export interface KernelFilter {
  readonly ethernet: Uint8Array;
  readonly raw: Uint8Array;
}

/** Both programs of a filter. Errors: KernelProgramError. */
export function kernelFilter(filter: PacketFilter): KernelFilter {
  return {
    ethernet: kernelProgram(filter.program('ethernet')),
    raw: kernelProgram(filter.program('raw')),
  };
}

/**
 * Translates a program of libpcap into the body of filter_ethernet() or filter_raw() of
 * bpf/filter.h: int (from, at, there, wire), which is 1 where the classic program accepts
 * the `there` bytes at `at`, and 0 where it does not. Verdicts are those of
 * `ClassicBpf.run`. The kernel verifies that it stays within what it is given.
 *
 * @param program null: nothing matches
 * @returns instructions as the kernel reads them, at most KERNEL_PROGRAM_ROOM
 * @throws KernelProgramError `FILTER_LOOPS` where it jumps back, as `protochain` makes it
 *   do; `FILTER_TOO_LARGE`
 */
export function kernelProgram(program: readonly ClassicBpfInstruction[] | null): Uint8Array {
  const assembler = new Assembler();
  assembler.begin(program?.some(usesScratch) ?? false);
  const reached = new Set([0]);
  program?.forEach((instruction, index) => {
    // The verifier takes no instruction that nothing leads to.
    if (!reached.has(index)) return;
    for (const next of followers(instruction, index)) reached.add(next);
    assembler.label(index);
    translate(assembler, instruction, index);
  });
  assembler.end(program === null);
  return assembler.encode();
}

function usesScratch({ code }: ClassicBpfInstruction): boolean {
  return (
    code === classic.ST ||
    code === classic.STX ||
    code === classic.LD_MEM ||
    code === classic.LDX_MEM
  );
}

/** Indices of the instructions that may come next. */
function followers({ code, jt, jf, k }: ClassicBpfInstruction, index: number): readonly number[] {
  if (code === classic.RET_K || code === classic.RET_A) return [];
  if (code === classic.JA) return [index + 1 + (k | 0)];
  return (code & 0x07) === 0x05 ? [index + 1 + jt, index + 1 + jf] : [index + 1];
}

class Assembler {
  readonly #instructions: Instruction[] = [];
  readonly #labels = new Map<number, number>();

  /** The pointer may be null and the offset anything, as far as the verifier knows. */
  begin(hasScratch: boolean): void {
    this.add(MOV64_K, ACCUMULATOR);
    this.add(MOV64_K, INDEX);
    this.jump(IF_EQUAL | 0x05, FROM, 0, ACCEPT);
    this.jump(IF_ABOVE | CLASS_JMP32, AT, MOST_BYTES, ACCEPT);
    this.add(MOV32 | FROM_REGISTER | CLASS_ALU32, AT, AT);
    this.add(ADD64_X, FROM, AT);
    if (hasScratch) {
      for (let word = 0; word < SCRATCH_WORDS; word++) {
        this.add(STORE_W, FRAME, ACCUMULATOR, scratchAt(word));
      }
    }
  }

  /** Of what nothing leads to there must be none. */
  end(isEmpty: boolean): void {
    if (isEmpty || this.#instructions.some(({ to }) => to === REJECT)) {
      this.label(REJECT);
      this.add(MOV64_K, ACCUMULATOR);
      this.add(EXIT);
    }
    this.label(ACCEPT);
    this.add(MOV64_K, ACCUMULATOR, 0, 0, 1);
    this.add(EXIT);
  }

  add(code: number, dst = 0, src = 0, off = 0, imm = 0): void {
    this.#instructions.push({ code, dst, src, off, imm });
  }

  /** A comparison with a constant, 64 bits wide or 32 as the code says. */
  jump(code: number, dst: number, imm: number, to: number): void {
    this.#instructions.push({ code, dst, src: 0, off: 0, imm, to });
  }

  /** A comparison with a register. */
  jumpX(code: number, dst: number, src: number, to: number): void {
    this.#instructions.push({ code: code | FROM_REGISTER, dst, src, off: 0, imm: 0, to });
  }

  goto(to: number): void {
    this.jump(GOTO, 0, 0, to);
  }

  label(name: number): void {
    this.#labels.set(name, this.#instructions.length);
  }

  encode(): Uint8Array {
    const count = this.#instructions.length;
    if (count > KERNEL_PROGRAM_ROOM) {
      throw new KernelProgramError(
        'FILTER_TOO_LARGE',
        `it takes ${count} instructions in the kernel, which has room for ${KERNEL_PROGRAM_ROOM}`,
      );
    }
    const bytes = new Uint8Array(count * INSTRUCTION_BYTES);
    const view = new DataView(bytes.buffer);
    this.#instructions.forEach(({ code, dst, src, off, imm, to }, index) => {
      const at = index * INSTRUCTION_BYTES;
      const target = to === undefined ? null : this.#labels.get(to);
      if (target === undefined) throw new RangeError(`jump to ${to}, which is nowhere`);
      view.setUint8(at, code);
      view.setUint8(at + 1, dst | (src << 4));
      view.setInt16(at + 2, target === null ? off : target - index - 1, true);
      view.setInt32(at + 4, imm | 0, true);
    });
    return bytes;
  }
}

function scratchAt(word: number): number {
  return (word - SCRATCH_WORDS) * 4;
}

/** A = bytes at a constant place, in network order. */
function loadAt(a: Assembler, size: Size, k: number, register = ACCUMULATOR): void {
  const end = k + SIZE_BYTES[size];
  if (end > MOST_BYTES) {
    neverThere(a, register);
    return;
  }
  a.jump(IF_BELOW | CLASS_JMP32, THERE, end, REJECT);
  a.add(CLASS_LDX | SIZE[size], register, FROM, BYTES_AT + k);
  toHostOrder(a, size, register);
}

/** The verifier wants what follows to be within reach, and a load to be within bounds. */
function neverThere(a: Assembler, register: number): void {
  a.jump(IF_BELOW | CLASS_JMP32, THERE, MOST_BYTES + 1, REJECT);
  a.add(MOV64_K, register);
}

/** A = bytes at X + k. */
function loadIndexed(a: Assembler, size: Size, k: number): void {
  const bytes = SIZE_BYTES[size];
  if (k + bytes > MOST_BYTES) {
    neverThere(a, ACCUMULATOR);
    return;
  }
  a.jump(IF_ABOVE | CLASS_JMP32, INDEX, MOST_BYTES, REJECT);
  a.add(MOV64_X, WORK, INDEX);
  a.add(ADD64_K, WORK, 0, 0, k);
  a.jump(IF_ABOVE | CLASS_JMP32, WORK, MOST_BYTES - bytes, REJECT);
  a.add(MOV64_X, POINTER, FROM);
  a.add(ADD64_X, POINTER, WORK);
  a.add(ADD64_K, WORK, 0, 0, bytes);
  a.jumpX(IF_ABOVE | CLASS_JMP32, WORK, THERE, REJECT);
  a.add(CLASS_LDX | SIZE[size], ACCUMULATOR, POINTER, BYTES_AT);
  toHostOrder(a, size, ACCUMULATOR);
}

function toHostOrder(a: Assembler, size: Size, register: number): void {
  if (size !== 'b') a.add(TO_BIG_ENDIAN, register, 0, 0, 8 * SIZE_BYTES[size]);
}

/** Classic arithmetic has the codes of eBPF's of 32 bits, but for the sources of X. */
function arithmetic(a: Assembler, code: number, k: number): void {
  if ((code & FROM_REGISTER) !== 0) a.add(code, ACCUMULATOR, INDEX);
  else a.add(code, ACCUMULATOR, 0, 0, k);
}

/** Shifts of more than 31 bits leave nothing; the kernel's would take 5 bits of the number. */
function shift(a: Assembler, code: number, k: number): void {
  if ((code & FROM_REGISTER) === 0) {
    if (k > 31) a.add(MOV64_K, ACCUMULATOR);
    else arithmetic(a, code, k);
    return;
  }
  a.add(IF_ABOVE | CLASS_JMP32, INDEX, 0, 2, 31);
  arithmetic(a, code, k);
  a.add(GOTO, 0, 0, 1);
  a.add(MOV64_K, ACCUMULATOR);
}

function branch(a: Assembler, instruction: ClassicBpfInstruction, index: number): void {
  const { code, jt, jf, k } = instruction;
  const yes = index + 1 + jt;
  const no = index + 1 + jf;
  const operation = (code & 0xf0) | CLASS_JMP32;
  if ((code & FROM_REGISTER) !== 0) a.jumpX(operation, ACCUMULATOR, INDEX, yes);
  else a.jump(operation, ACCUMULATOR, k, yes);
  if (jf !== 0) a.goto(no);
}

function translate(a: Assembler, instruction: ClassicBpfInstruction, index: number): void {
  const { code, k } = instruction;
  switch (code) {
    case classic.LD_W_ABS:
      loadAt(a, 'w', k);
      break;
    case classic.LD_H_ABS:
      loadAt(a, 'h', k);
      break;
    case classic.LD_B_ABS:
      loadAt(a, 'b', k);
      break;
    case classic.LD_W_IND:
      loadIndexed(a, 'w', k);
      break;
    case classic.LD_H_IND:
      loadIndexed(a, 'h', k);
      break;
    case classic.LD_B_IND:
      loadIndexed(a, 'b', k);
      break;
    case classic.LDX_MSH:
      loadAt(a, 'b', k, INDEX);
      a.add(classic.AND_K, INDEX, 0, 0, 0xf);
      a.add(classic.LSH_K, INDEX, 0, 0, 2);
      break;
    case classic.LD_IMM:
      a.add(MOV32 | CLASS_ALU32, ACCUMULATOR, 0, 0, k);
      break;
    case classic.LDX_IMM:
      a.add(MOV32 | CLASS_ALU32, INDEX, 0, 0, k);
      break;
    case classic.LD_MEM:
      a.add(CLASS_LDX, ACCUMULATOR, FRAME, scratchAt(k));
      break;
    case classic.LDX_MEM:
      a.add(CLASS_LDX, INDEX, FRAME, scratchAt(k));
      break;
    case classic.LD_LEN:
      a.add(MOV32 | FROM_REGISTER | CLASS_ALU32, ACCUMULATOR, WIRE);
      break;
    case classic.LDX_LEN:
      a.add(MOV32 | FROM_REGISTER | CLASS_ALU32, INDEX, WIRE);
      break;
    case classic.ST:
      a.add(STORE_W, FRAME, ACCUMULATOR, scratchAt(k));
      break;
    case classic.STX:
      a.add(STORE_W, FRAME, INDEX, scratchAt(k));
      break;
    case classic.NEG:
      a.add(code, ACCUMULATOR);
      break;
    case classic.DIV_X:
    case classic.MOD_X:
      a.jump(IF_EQUAL | CLASS_JMP32, INDEX, 0, REJECT);
      arithmetic(a, code, k);
      break;
    case classic.LSH_K:
    case classic.LSH_X:
    case classic.RSH_K:
    case classic.RSH_X:
      shift(a, code, k);
      break;
    case classic.JA:
      if (k > 0x7fffffff) {
        throw new KernelProgramError('FILTER_LOOPS', 'it loops, which the kernel is not given');
      }
      a.goto(index + 1 + k);
      break;
    case classic.RET_K:
      a.goto(k === 0 ? REJECT : ACCEPT);
      break;
    case classic.RET_A:
      a.jump(IF_EQUAL | CLASS_JMP32, ACCUMULATOR, 0, REJECT);
      a.goto(ACCEPT);
      break;
    case classic.TAX:
      a.add(MOV32 | FROM_REGISTER | CLASS_ALU32, INDEX, ACCUMULATOR);
      break;
    case classic.TXA:
      a.add(MOV32 | FROM_REGISTER | CLASS_ALU32, ACCUMULATOR, INDEX);
      break;
    default:
      if ((code & 0x07) === 0x05) branch(a, instruction, index);
      else arithmetic(a, code, k);
  }
}
