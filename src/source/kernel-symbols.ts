import { readFile } from 'node:fs/promises';

const TEXT_TYPES = new Set(['t', 'T', 'w', 'W']);

/** Functions of the running kernel by address, from /proc/kallsyms. */
export class KernelSymbols {
  readonly #addresses: BigUint64Array;
  readonly #names: readonly string[];

  private constructor(addresses: BigUint64Array, names: readonly string[]) {
    this.#addresses = addresses;
    this.#names = names;
  }

  static async load(path = '/proc/kallsyms'): Promise<KernelSymbols> {
    return KernelSymbols.parse(await readFile(path, 'latin1'));
  }

  /** From the text of /proc/kallsyms: address, type, name, and the module in brackets. */
  static parse(text: string): KernelSymbols {
    const found: { address: bigint; name: string }[] = [];
    for (const line of text.split('\n')) {
      const [address, type, name] = line.split(/[ \t]/u, 3);
      if (address !== undefined && name !== undefined && TEXT_TYPES.has(type ?? '')) {
        const value = BigInt(`0x${address}`);
        // Addresses are all zero for a reader that may not know them.
        if (value !== 0n) {
          found.push({ address: value, name });
        }
      }
    }
    found.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    return new KernelSymbols(
      BigUint64Array.from(found, (f) => f.address),
      found.map((f) => f.name),
    );
  }

  get size(): number {
    return this.#names.length;
  }

  /** Name of the function that an address lies in, or null below the first. */
  find(address: bigint): string | null {
    let low = 0;
    let high = this.#addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#addresses[middle] as bigint) <= address) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low === 0 ? null : (this.#names[low - 1] ?? null);
  }
}
