import { HopscopeError } from '../model/errors.js';
import {
  ADD_K,
  ADD_X,
  AND_K,
  AND_X,
  CLASSIC_OPCODES,
  DIV_K,
  DIV_X,
  JA,
  JEQ_K,
  JEQ_X,
  JGE_K,
  JGE_X,
  JGT_K,
  JGT_X,
  JSET_K,
  JSET_X,
  LD_B_ABS,
  LD_B_IND,
  LD_H_ABS,
  LD_H_IND,
  LD_IMM,
  LD_LEN,
  LD_MEM,
  LD_W_ABS,
  LD_W_IND,
  LDX_IMM,
  LDX_LEN,
  LDX_MEM,
  LDX_MSH,
  LSH_K,
  LSH_X,
  MOD_K,
  MOD_X,
  MUL_K,
  MUL_X,
  NEG,
  OR_K,
  OR_X,
  RET_A,
  RET_K,
  RSH_K,
  RSH_X,
  ST,
  STX,
  SUB_K,
  SUB_X,
  TAX,
  TXA,
  XOR_K,
  XOR_X,
} from './classic-opcodes.js';

/** One classic BPF instruction, as libpcap compiles it (`struct bpf_insn`). */
export interface ClassicBpfInstruction {
  /** Operation, 16 bits. */
  readonly code: number;
  /** Instructions to skip when a comparison holds, and when not; 8 bits each. */
  readonly jt: number;
  readonly jf: number;
  /** Operand, 32 bits unsigned. */
  readonly k: number;
}

/** A program that cannot be run safely; `code` says why, the message says where. */
export class ClassicBpfError extends HopscopeError {}

/** Instructions of one program: BPF_MAXINSNS of the kernel. */
export const MAX_CLASSIC_BPF_INSTRUCTIONS = 4096;

/**
 * Times a program may jump back for one packet; one more rejects it. Only `protochain`
 * makes loops, one turn for each header, so that programs end on every packet.
 */
export const MAX_BACKWARD_JUMPS = 256;

/** Words of scratch memory: BPF_MEMWORDS. */
const SCRATCH_WORDS = 16;

/**
 * A classic BPF program, checked once, then run on many packets without
 * allocating. Verdicts are those of libpcap's `pcap_offline_filter`: a load
 * outside the bytes given rejects the packet, a division by a zero X too.
 */
export class ClassicBpf {
  /** Number of instructions. */
  readonly length: number;
  /** As given. */
  readonly instructions: readonly ClassicBpfInstruction[];
  readonly #code: Uint16Array;
  readonly #jt: Uint8Array;
  readonly #jf: Uint8Array;
  readonly #k: Uint32Array;
  readonly #scratch = new Uint32Array(SCRATCH_WORDS);
  readonly #usesScratch: boolean;

  /**
   * @throws ClassicBpfError `BPF_EMPTY`, `BPF_TOO_LONG`, `BPF_FIELD_RANGE`,
   *   `BPF_UNKNOWN_OPCODE`, `BPF_JUMP_RANGE`, `BPF_SCRATCH_RANGE`,
   *   `BPF_DIVISION_BY_ZERO` or `BPF_NO_RETURN`
   */
  constructor(instructions: readonly ClassicBpfInstruction[]) {
    const count = instructions.length;
    if (count === 0) throw new ClassicBpfError('BPF_EMPTY', 'filter program has no instructions');
    if (count > MAX_CLASSIC_BPF_INSTRUCTIONS) {
      throw new ClassicBpfError(
        'BPF_TOO_LONG',
        `filter program has ${count} instructions, at most ${MAX_CLASSIC_BPF_INSTRUCTIONS} are run`,
      );
    }
    this.length = count;
    this.instructions = instructions;
    this.#code = new Uint16Array(count);
    this.#jt = new Uint8Array(count);
    this.#jf = new Uint8Array(count);
    this.#k = new Uint32Array(count);
    instructions.forEach((instruction, index) => {
      check(instruction, index, count);
      this.#code[index] = instruction.code;
      this.#jt[index] = instruction.jt;
      this.#jf[index] = instruction.jf;
      this.#k[index] = instruction.k;
    });
    this.#usesScratch = instructions.some(({ code }) => usesScratch(code));
    const last = instructions[count - 1]?.code;
    if (last !== RET_K && last !== RET_A) {
      throw new ClassicBpfError('BPF_NO_RETURN', 'filter program does not end in a return');
    }
  }

  /**
   * Whether the program accepts a packet.
   *
   * @param view bytes that hold the packet
   * @param offset of its first byte in `view`
   * @param length bytes of it that are there; clamped to `view`
   * @param wireLength its full length in bytes, what `len` and `greater` compare
   */
  run(view: DataView, offset: number, length: number, wireLength: number): boolean {
    const codes = this.#code;
    const ks = this.#k;
    const scratch = this.#scratch;
    const there = Math.min(length, view.byteLength - offset);
    // Scratch words left by another packet must not decide about this one.
    if (this.#usesScratch) scratch.fill(0);
    let a = 0;
    let x = 0;
    let backward = 0;
    for (let pc = 0; ; pc++) {
      const k = ks[pc] as number;
      switch (codes[pc]) {
        case LD_W_ABS:
          if (k + 4 > there) return false;
          a = view.getUint32(offset + k);
          break;
        case LD_H_ABS:
          if (k + 2 > there) return false;
          a = view.getUint16(offset + k);
          break;
        case LD_B_ABS:
          if (k >= there) return false;
          a = view.getUint8(offset + k);
          break;
        case LD_W_IND:
          if (x + k + 4 > there) return false;
          a = view.getUint32(offset + x + k);
          break;
        case LD_H_IND:
          if (x + k + 2 > there) return false;
          a = view.getUint16(offset + x + k);
          break;
        case LD_B_IND:
          if (x + k >= there) return false;
          a = view.getUint8(offset + x + k);
          break;
        case LD_IMM:
          a = k;
          break;
        case LD_MEM:
          a = scratch[k] as number;
          break;
        case LD_LEN:
          a = wireLength;
          break;
        case LDX_IMM:
          x = k;
          break;
        case LDX_MEM:
          x = scratch[k] as number;
          break;
        case LDX_LEN:
          x = wireLength;
          break;
        case LDX_MSH:
          if (k >= there) return false;
          x = (view.getUint8(offset + k) & 0xf) << 2;
          break;
        case ST:
          scratch[k] = a;
          break;
        case STX:
          scratch[k] = x;
          break;
        case ADD_K:
          a = (a + k) >>> 0;
          break;
        case ADD_X:
          a = (a + x) >>> 0;
          break;
        case SUB_K:
          a = (a - k) >>> 0;
          break;
        case SUB_X:
          a = (a - x) >>> 0;
          break;
        case MUL_K:
          a = Math.imul(a, k) >>> 0;
          break;
        case MUL_X:
          a = Math.imul(a, x) >>> 0;
          break;
        case DIV_K:
          a = Math.floor(a / k);
          break;
        case DIV_X:
          if (x === 0) return false;
          a = Math.floor(a / x);
          break;
        case MOD_K:
          a %= k;
          break;
        case MOD_X:
          if (x === 0) return false;
          a %= x;
          break;
        case OR_K:
          a = (a | k) >>> 0;
          break;
        case OR_X:
          a = (a | x) >>> 0;
          break;
        case AND_K:
          a = (a & k) >>> 0;
          break;
        case AND_X:
          a = (a & x) >>> 0;
          break;
        case XOR_K:
          a = (a ^ k) >>> 0;
          break;
        case XOR_X:
          a = (a ^ x) >>> 0;
          break;
        case LSH_K:
          a = k > 31 ? 0 : (a << k) >>> 0;
          break;
        case LSH_X:
          a = x > 31 ? 0 : (a << x) >>> 0;
          break;
        case RSH_K:
          a = k > 31 ? 0 : a >>> k;
          break;
        case RSH_X:
          a = x > 31 ? 0 : a >>> x;
          break;
        case NEG:
          a = -a >>> 0;
          break;
        case JA:
          // Signed, as in libpcap, though not in the kernel.
          pc += k | 0;
          if (k > 0x7fffffff && backward++ === MAX_BACKWARD_JUMPS) return false;
          break;
        case JEQ_K:
          pc += (a === k ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case JEQ_X:
          pc += (a === x ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case JGT_K:
          pc += (a > k ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case JGT_X:
          pc += (a > x ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case JGE_K:
          pc += (a >= k ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case JGE_X:
          pc += (a >= x ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case JSET_K:
          pc += ((a & k) !== 0 ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case JSET_X:
          pc += ((a & x) !== 0 ? this.#jt[pc] : this.#jf[pc]) as number;
          break;
        case RET_K:
          return k !== 0;
        case RET_A:
          return a !== 0;
        case TAX:
          x = a;
          break;
        case TXA:
          a = x;
          break;
        default:
          // The constructor let no other code in.
          return false;
      }
    }
  }
}

function check(instruction: ClassicBpfInstruction, index: number, count: number): void {
  const { code, jt, jf, k } = instruction;
  if (
    !isUnsigned(code, 0xffff) ||
    !isUnsigned(jt, 0xff) ||
    !isUnsigned(jf, 0xff) ||
    !isUnsigned(k, 0xffffffff)
  ) {
    throw new ClassicBpfError(
      'BPF_FIELD_RANGE',
      `instruction ${index}: code ${code}, jt ${jt}, jf ${jf} or k ${k} is out of range`,
    );
  }
  if (!CLASSIC_OPCODES.has(code)) {
    throw new ClassicBpfError(
      'BPF_UNKNOWN_OPCODE',
      `instruction ${index}: unknown operation 0x${code.toString(16)}`,
    );
  }
  if ((code & 0x07) === 0x05) {
    const furthest = code === JA ? k | 0 : Math.max(jt, jf);
    const target = index + 1 + furthest;
    if (target < 0 || target >= count) {
      throw new ClassicBpfError(
        'BPF_JUMP_RANGE',
        `instruction ${index}: jump to ${target} in a program of ${count}`,
      );
    }
  }
  if (usesScratch(code) && k >= SCRATCH_WORDS) {
    throw new ClassicBpfError(
      'BPF_SCRATCH_RANGE',
      `instruction ${index}: scratch word ${k} of ${SCRATCH_WORDS}`,
    );
  }
  if ((code === DIV_K || code === MOD_K) && k === 0) {
    throw new ClassicBpfError('BPF_DIVISION_BY_ZERO', `instruction ${index}: division by zero`);
  }
}

function usesScratch(code: number): boolean {
  return code === ST || code === STX || code === LD_MEM || code === LDX_MEM;
}

function isUnsigned(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
