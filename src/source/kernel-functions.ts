import { readFileSync } from 'node:fs';
import { KernelSymbols, parseModules } from './kernel-symbols.js';

/** Places that drops come from and are remembered; a kernel has a few thousand. */
const SYMBOL_LIMIT = 65_536;
/** Between looks at the list of modules because of an unknown address. */
const UNKNOWN_LOOK_MS = 100;
/** Symbols need a look at all of them, 5 MB: not more often than this. */
const RELOAD_MS = 1_000;

export interface KernelFunctionsOptions {
  /** Called once for each address that is resolved, and again when its function is another. */
  readonly onResolved?: (address: bigint, name: string) => void;
  readonly symbolsPath?: string;
  readonly modulesPath?: string;
}

/**
 * Names the functions that addresses lie in, of modules that come and go too: everything is
 * read anew when the list of modules is another.
 */
export class KernelFunctions {
  readonly #options: KernelFunctionsOptions;
  readonly #resolved = new Map<bigint, string>();
  #symbols: KernelSymbols | null = null;
  #modules = '';
  #unknownLookAt = Number.NEGATIVE_INFINITY;
  #loadedAt = Number.NEGATIVE_INFINITY;
  /** Addresses that were not remembered: SYMBOL_LIMIT was reached. */
  forgotten = 0;

  constructor(options: KernelFunctionsOptions = {}) {
    this.#options = options;
  }

  /** Reads the symbols. Errors: those of reading a file. */
  load(): void {
    const text = this.#modulesText();
    this.#loadedAt = performance.now();
    this.#symbols = KernelSymbols.load(
      this.#options.symbolsPath ?? '/proc/kallsyms',
      parseModules(text),
    );
    this.#modules = stable(text);
    this.#resolved.clear();
  }

  /** Reads them anew when modules came or went since; true when it did. */
  refresh(): boolean {
    if (
      this.#symbols === null ||
      performance.now() - this.#loadedAt < RELOAD_MS ||
      stable(this.#modulesText()) === this.#modules
    ) {
      return false;
    }
    this.load();
    return true;
  }

  /** Function that holds an address of the kernel's text; null where none is known. */
  name(address: bigint): string | null {
    const known = this.#resolved.get(address);
    if (known !== undefined) return known;
    const name = this.#find(address);
    if (name === null) return null;
    if (this.#resolved.size >= SYMBOL_LIMIT) {
      this.forgotten += 1;
      return name;
    }
    this.#resolved.set(address, name);
    this.#options.onResolved?.(address, name);
    return name;
  }

  /** Every address asked for since the symbols were last read, with its function. */
  resolved(): ReadonlyMap<bigint, string> {
    return this.#resolved;
  }

  #find(address: bigint): string | null {
    const name = this.#symbols?.find(address) ?? null;
    const now = performance.now();
    if (name !== null || this.#symbols === null || now - this.#unknownLookAt < UNKNOWN_LOOK_MS) {
      return name;
    }
    // It may be of a module that came just now.
    this.#unknownLookAt = now;
    return this.refresh() ? this.#symbols.find(address) : null;
  }

  /** Empty for a kernel that has no modules. */
  #modulesText(): string {
    try {
      return readFileSync(this.#options.modulesPath ?? '/proc/modules', 'latin1');
    } catch {
      return '';
    }
  }
}

/** What of /proc/modules changes only when a module comes or goes: its name and its place. */
function stable(text: string): string {
  return JSON.stringify([...parseModules(text)]);
}
