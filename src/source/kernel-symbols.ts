import { readFileSync } from 'node:fs';

/** t, T, w and W: functions, as nm(1) marks them. */
const TEXT_TYPES = new Set([0x74, 0x54, 0x77, 0x57]);
const NEWLINE = 0x0a;
/** 16 hex digits, a space, the type, a space. */
const TYPE_AT = 17;
const NAME_AT = 19;
const SHORTEST_LINE = 21;

/**
 * Functions of the running kernel by address, from /proc/kallsyms. Addresses are
 * kept by their low 48 bits: all of the kernel's text shares the rest. Names stay
 * in the file's bytes until asked for: there are two hundred thousand lines, read
 * before the first packet is shown, and few are ever needed.
 */
export class KernelSymbols {
  readonly #bytes: Buffer;
  readonly #addresses: Float64Array;
  readonly #lines: Uint32Array;

  private constructor(bytes: Buffer, addresses: Float64Array, lines: Uint32Array) {
    this.#bytes = bytes;
    this.#addresses = addresses;
    this.#lines = lines;
  }

  /**
   * Reads at once: the kernel gives a page a call, and two thousand calls through the thread
   * pool take several times as long.
   */
  static load(path = '/proc/kallsyms'): KernelSymbols {
    return KernelSymbols.parse(readFileSync(path));
  }

  /** From the bytes of /proc/kallsyms: address, type, name, and the module in brackets. */
  static parse(bytes: Buffer): KernelSymbols {
    const most = Math.ceil(bytes.length / SHORTEST_LINE);
    const addresses = new Float64Array(most);
    const lines = new Uint32Array(most);
    let count = 0;
    let sorted = true;
    let lineStart = 0;
    for (let at = 0; at <= bytes.length; at++) {
      if (at < bytes.length && bytes[at] !== NEWLINE) {
        continue;
      }
      if (at - lineStart > NAME_AT && TEXT_TYPES.has(bytes[lineStart + TYPE_AT] as number)) {
        const address = hexNumber(bytes, lineStart + 4, lineStart + 16);
        // Addresses are all zero for a reader that may not know them.
        if (address !== 0) {
          sorted &&= count === 0 || address >= (addresses[count - 1] as number);
          addresses[count] = address;
          lines[count] = lineStart;
          count += 1;
        }
      }
      lineStart = at + 1;
    }
    const used = { addresses: addresses.subarray(0, count), lines: lines.subarray(0, count) };
    return sorted
      ? new KernelSymbols(bytes, used.addresses, used.lines)
      : KernelSymbols.#sorted(bytes, used.addresses, used.lines);
  }

  static #sorted(bytes: Buffer, addresses: Float64Array, lines: Uint32Array): KernelSymbols {
    const order = Uint32Array.from(addresses.keys());
    order.sort((a, b) => (addresses[a] as number) - (addresses[b] as number));
    return new KernelSymbols(
      bytes,
      Float64Array.from(order, (i) => addresses[i] as number),
      Uint32Array.from(order, (i) => lines[i] as number),
    );
  }

  get size(): number {
    return this.#addresses.length;
  }

  /** Name of the function that an address lies in, or null below the first. */
  find(address: bigint): string | null {
    const wanted = Number(address & 0xffff_ffff_ffffn);
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#addresses[middle] as number) <= wanted) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low === 0 ? null : this.#name(this.#lines[low - 1] as number);
  }

  #name(lineStart: number): string {
    const end = this.#bytes.indexOf(NEWLINE, lineStart);
    const line = this.#bytes.toString('latin1', lineStart + NAME_AT, end < 0 ? undefined : end);
    return line.split('\t', 1)[0] as string;
  }
}

/** The number that the hex digits from `start` to `end` stand for; what is none counts 0. */
function hexNumber(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    const code = bytes[i] as number;
    const digit = code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
    value = value * 16 + (digit >= 0 && digit < 16 ? digit : 0);
  }
  return value;
}
