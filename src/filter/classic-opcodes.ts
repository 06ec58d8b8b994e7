/*
 * Operation codes: class in the low three bits, then size or source, mode or
 * operation (McCanne and Jacobson, "The BSD Packet Filter", 1993; uapi/linux/
 * bpf_common.h). A is the accumulator, X the index register, M scratch memory.
 */
export const LD_W_ABS = 0x20;
export const LD_H_ABS = 0x28;
export const LD_B_ABS = 0x30;
export const LD_W_IND = 0x40;
export const LD_H_IND = 0x48;
export const LD_B_IND = 0x50;
export const LD_IMM = 0x00;
export const LD_MEM = 0x60;
export const LD_LEN = 0x80;
export const LDX_IMM = 0x01;
export const LDX_MEM = 0x61;
export const LDX_LEN = 0x81;
/** X = 4 * low nibble: an IPv4 header's length. */
export const LDX_MSH = 0xb1;
export const ST = 0x02;
export const STX = 0x03;
export const ADD_K = 0x04;
export const ADD_X = 0x0c;
export const SUB_K = 0x14;
export const SUB_X = 0x1c;
export const MUL_K = 0x24;
export const MUL_X = 0x2c;
export const DIV_K = 0x34;
export const DIV_X = 0x3c;
export const OR_K = 0x44;
export const OR_X = 0x4c;
export const AND_K = 0x54;
export const AND_X = 0x5c;
export const LSH_K = 0x64;
export const LSH_X = 0x6c;
export const RSH_K = 0x74;
export const RSH_X = 0x7c;
export const NEG = 0x84;
export const MOD_K = 0x94;
export const MOD_X = 0x9c;
export const XOR_K = 0xa4;
export const XOR_X = 0xac;
export const JA = 0x05;
export const JEQ_K = 0x15;
export const JEQ_X = 0x1d;
export const JGT_K = 0x25;
export const JGT_X = 0x2d;
export const JGE_K = 0x35;
export const JGE_X = 0x3d;
export const JSET_K = 0x45;
export const JSET_X = 0x4d;
export const RET_K = 0x06;
export const RET_A = 0x16;
export const TAX = 0x07;
export const TXA = 0x87;

/** All that libpcap compiles to. */
export const CLASSIC_OPCODES: ReadonlySet<number> = new Set([
  LD_W_ABS,
  LD_H_ABS,
  LD_B_ABS,
  LD_W_IND,
  LD_H_IND,
  LD_B_IND,
  LD_IMM,
  LD_MEM,
  LD_LEN,
  LDX_IMM,
  LDX_MEM,
  LDX_LEN,
  LDX_MSH,
  ST,
  STX,
  ADD_K,
  ADD_X,
  SUB_K,
  SUB_X,
  MUL_K,
  MUL_X,
  DIV_K,
  DIV_X,
  OR_K,
  OR_X,
  AND_K,
  AND_X,
  LSH_K,
  LSH_X,
  RSH_K,
  RSH_X,
  NEG,
  MOD_K,
  MOD_X,
  XOR_K,
  XOR_X,
  JA,
  JEQ_K,
  JEQ_X,
  JGT_K,
  JGT_X,
  JGE_K,
  JGE_X,
  JSET_K,
  JSET_X,
  RET_K,
  RET_A,
  TAX,
  TXA,
]);
