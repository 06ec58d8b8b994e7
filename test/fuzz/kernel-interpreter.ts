/** Where the bytes begin in what the kernel's filter is given: struct filter_bytes of bpf/filter.h. */
const BYTES_AT = 24;
const FROM_ADDRESS = 4_096;
const STACK_END = 1 << 20;
const STACK_BYTES = 512;
const FRAME = 10;

/**
 * Runs a program as kernel-program.ts writes it, by RFC 9669: the operations that it uses,
 * and no load outside what the kernel's verifier would allow.
 *
 * @param bytes what there is to read of the packet and after it
 */
export function runKernelProgram(
  program: Uint8Array,
  bytes: Uint8Array,
  at: number,
  there: number,
  wire: number,
): number {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const packet = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack = new DataView(new ArrayBuffer(STACK_BYTES));
  // Registers that are not set are read by no program that is right.
  const r = new Float64Array(11).fill(Number.NaN);
  [r[1], r[2], r[3], r[4], r[FRAME]] = [FROM_ADDRESS, at, there, wire, STACK_END];

  const read = (address: number, size: number): number => {
    const inPacket = address < STACK_END - STACK_BYTES;
    const memory = inPacket ? packet : stack;
    const offset = inPacket
      ? address - FROM_ADDRESS - BYTES_AT
      : address - (STACK_END - STACK_BYTES);
    if (size === 1) return memory.getUint8(offset);
    return size === 2 ? memory.getUint16(offset, true) : memory.getUint32(offset, true);
  };

  for (let pc = 0; ; pc++) {
    const code = view.getUint8(8 * pc);
    const registers = view.getUint8(8 * pc + 1);
    const off = view.getInt16(8 * pc + 2, true);
    const imm = view.getInt32(8 * pc + 4, true);
    const [dst, src] = [registers & 15, registers >> 4];
    const a = r[dst] as number;
    const b = (code & 0x08) === 0 ? imm : (r[src] as number);
    switch (code & 0x07) {
      case 0x01: {
        const size = { 0: 4, 8: 2, 16: 1 }[code & 0x18];
        r[dst] = read((r[src] as number) + off, size ?? 8);
        break;
      }
      case 0x03:
        stack.setUint32(a + off - (STACK_END - STACK_BYTES), r[src] as number, true);
        break;
      case 0x04:
        r[dst] = code === 0xdc ? swapped(a, imm) : arithmetic(code & 0xf0, a >>> 0, b >>> 0);
        break;
      case 0x07:
        if (code === 0xb7 || code === 0xbf) r[dst] = b;
        else if (code === 0x07 || code === 0x0f) r[dst] = a + b;
        else throw new Error(`operation ${code}`);
        break;
      case 0x05:
        if (code === 0x95) return r[0] as number;
        if (code === 0x05 || holds(code & 0xf0, a, b)) pc += off;
        break;
      case 0x06:
        if (holds(code & 0xf0, a >>> 0, b >>> 0)) pc += off;
        break;
      default:
        throw new Error(`operation ${code}`);
    }
  }
}

function swapped(value: number, bits: number): number {
  const bytes = [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
  return bytes.slice(0, bits / 8).reduce((number, byte) => number * 256 + byte, 0);
}

function arithmetic(operation: number, a: number, b: number): number {
  switch (operation) {
    case 0x00:
      return (a + b) >>> 0;
    case 0x10:
      return (a - b) >>> 0;
    case 0x20:
      return Math.imul(a, b) >>> 0;
    case 0x30:
      return b === 0 ? 0 : Math.floor(a / b);
    case 0x40:
      return (a | b) >>> 0;
    case 0x50:
      return (a & b) >>> 0;
    case 0x60:
      return (a << (b & 31)) >>> 0;
    case 0x70:
      return a >>> (b & 31);
    case 0x80:
      return -a >>> 0;
    case 0x90:
      return b === 0 ? a : a % b;
    case 0xa0:
      return (a ^ b) >>> 0;
    case 0xb0:
      return b;
    default:
      throw new Error(`arithmetic ${operation}`);
  }
}

function holds(operation: number, a: number, b: number): boolean {
  switch (operation) {
    case 0x10:
      return a === b;
    case 0x20:
      return a > b;
    case 0x30:
      return a >= b;
    case 0x40:
      return (a & b) !== 0;
    case 0xa0:
      return a < b;
    default:
      throw new Error(`comparison ${operation}`);
  }
}
