import { readFileSync } from 'node:fs';

/** t, T, w and W: functions, as nm(1) marks them. */
const TEXT_TYPES = new Set([0x74, 0x54, 0x77, 0x57]);
const NEWLINE = 0x0a;
/** 16 hex digits, a space, the type, a space. */
const TYPE_AT = 17;
const NAME_AT = 19;
const SHORTEST_LINE = 21;

/** The last byte of the kernel's own text, so named on every architecture. */
const TEXT_END = Buffer.from(' _etext\n');

/** Where a module's code lies; addresses by their low 48 bits. */
export interface ModuleRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Modules by name, from the text of /proc/modules (proc_modules(5): name, size, users, who,
 * state, address).
 */
export function parseModules(text: string): Map<string, ModuleRange> {
  const modules = new Map<string, ModuleRange>();
  for (const line of text.split('\n')) {
    const [, name, size, address] = /^(\S+) (\d+) .* 0x([0-9a-f]{16})\b/u.exec(line) ?? [];
    if (name !== undefined && size !== undefined && address !== undefined) {
      const start = Number.parseInt(address.slice(4), 16);
      if (start !== 0) modules.set(name, { start, end: start + Number(size) });
    }
  }
  return modules;
}

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
  readonly #modules: ReadonlyMap<string, ModuleRange>;
  /** Where the kernel's own text ends. */
  readonly #textEnd: number;

  private constructor(
    bytes: Buffer,
    addresses: Float64Array,
    lines: Uint32Array,
    modules: ReadonlyMap<string, ModuleRange>,
  ) {
    this.#bytes = bytes;
    this.#addresses = addresses;
    this.#lines = lines;
    this.#modules = modules;
    const end = bytes.indexOf(TEXT_END);
    const lineStart = end < 0 ? -1 : bytes.lastIndexOf(NEWLINE, end) + 1;
    this.#textEnd =
      lineStart < 0 ? Number.POSITIVE_INFINITY : hexNumber(bytes, lineStart + 4, lineStart + 16);
  }

  /**
   * Reads at once: the kernel gives a page a call, and two thousand calls through the thread
   * pool take several times as long.
   */
  static load(
    path = '/proc/kallsyms',
    modules: ReadonlyMap<string, ModuleRange> = new Map(),
  ): KernelSymbols {
    return KernelSymbols.parse(readFileSync(path), modules);
  }

  /** From the bytes of /proc/kallsyms: address, type, name, and the module in brackets. */
  static parse(
    bytes: Buffer,
    modules: ReadonlyMap<string, ModuleRange> = new Map(),
  ): KernelSymbols {
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
      ? new KernelSymbols(bytes, used.addresses, used.lines, modules)
      : KernelSymbols.#sorted(bytes, used.addresses, used.lines, modules);
  }

  static #sorted(
    bytes: Buffer,
    addresses: Float64Array,
    lines: Uint32Array,
    modules: ReadonlyMap<string, ModuleRange>,
  ): KernelSymbols {
    const order = Uint32Array.from(addresses.keys());
    order.sort((a, b) => (addresses[a] as number) - (addresses[b] as number));
    return new KernelSymbols(
      bytes,
      Float64Array.from(order, (i) => addresses[i] as number),
      Uint32Array.from(order, (i) => lines[i] as number),
      modules,
    );
  }

  get size(): number {
    return this.#addresses.length;
  }

  /**
   * Name of the function that an address lies in. Null where no known function is: below the
   * first, beyond the kernel's text, and beyond the module that the nearest one belongs to.
   */
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
    if (low === 0) return null;
    const { name, module } = this.#read(this.#lines[low - 1] as number);
    const range = module === null ? null : this.#modules.get(module);
    const end = range === null ? this.#textEnd : (range?.end ?? 0);
    return wanted < end ? name : null;
  }

  #read(lineStart: number): { name: string; module: string | null } {
    const end = this.#bytes.indexOf(NEWLINE, lineStart);
    const line = this.#bytes.toString('latin1', lineStart + NAME_AT, end < 0 ? undefined : end);
    const [name = '', module = null] = line.split('\t', 2);
    return { name, module: module === null ? null : module.slice(1, -1) };
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
