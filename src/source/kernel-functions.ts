import { readFileSync } from 'node:fs';

/** Places that drops come from and are remembered; a kernel has a few thousand. */
const SYMBOL_LIMIT = 65_536;
/** Addresses of no function that are not asked for again at once. */
const UNKNOWN_LIMIT = 1_024;
/** For so long: a module may come that has a function there. */
const UNKNOWN_MS = 100;

/** What knows which function lies at an address now; `name` may throw. */
export interface FunctionLookup {
  name(address: bigint): string | null;
  close(): void;
}

export interface KernelFunctionsOptions {
  /** Called once for each address that is resolved, and again when its function is another. */
  readonly onResolved?: (address: bigint, name: string) => void;
  /** Called once, when functions cannot be named. */
  readonly onWarning?: (message: string) => void;
  readonly modulesPath?: string;
}

/**
 * Names the functions that addresses lie in, of modules that come and go too: names are
 * forgotten when the list of modules is another.
 */
export class KernelFunctions {
  readonly #options: KernelFunctionsOptions;
  readonly #resolved = new Map<bigint, string>();
  readonly #unknown = new Set<bigint>();
  #unknownSince = Number.NEGATIVE_INFINITY;
  #lookup: FunctionLookup | null = null;
  #modules = '';
  #hasWarned = false;
  /** Times that an address was not remembered: SYMBOL_LIMIT or UNKNOWN_LIMIT was reached. */
  forgotten = 0;

  constructor(options: KernelFunctionsOptions = {}) {
    this.#options = options;
  }

  /** Begins to name functions. Where `open` fails, there is a warning, and names are null. */
  async load(open: () => Promise<FunctionLookup>): Promise<void> {
    this.#modules = this.#loadedModules();
    try {
      this.#lookup = await open();
    } catch (error) {
      this.#warn(error);
    }
  }

  /** Forgets all names when modules came or went since; true when they did. */
  refresh(): boolean {
    if (this.#lookup === null) return false;
    const modules = this.#loadedModules();
    if (modules === this.#modules) return false;
    this.#modules = modules;
    this.#resolved.clear();
    this.#unknown.clear();
    return true;
  }

  /** Function that holds an address of the kernel's text; null where none is known. */
  name(address: bigint): string | null {
    const known = this.#resolved.get(address);
    if (known !== undefined) return known;
    if (this.#lookup === null || this.#isUnknown(address)) return null;
    const name = this.#ask(this.#lookup, address);
    if (name === null) this.#rememberUnknown(address);
    else this.#remember(address, name);
    return name;
  }

  /** Every address that was named since modules last came or went, with its function. */
  resolved(): ReadonlyMap<bigint, string> {
    return this.#resolved;
  }

  /** Names no more than it knows. */
  close(): void {
    this.#lookup?.close();
    this.#lookup = null;
  }

  #ask(lookup: FunctionLookup, address: bigint): string | null {
    try {
      return lookup.name(address);
    } catch (error) {
      this.#warn(error);
      return null;
    }
  }

  #remember(address: bigint, name: string): void {
    if (this.#resolved.size >= SYMBOL_LIMIT) {
      this.forgotten += 1;
      return;
    }
    this.#resolved.set(address, name);
    this.#options.onResolved?.(address, name);
  }

  #rememberUnknown(address: bigint): void {
    if (this.#unknown.size >= UNKNOWN_LIMIT) this.forgotten += 1;
    else this.#unknown.add(address);
  }

  #isUnknown(address: bigint): boolean {
    const now = performance.now();
    if (now - this.#unknownSince >= UNKNOWN_MS) {
      this.#unknownSince = now;
      this.#unknown.clear();
    }
    return this.#unknown.has(address);
  }

  #warn(error: unknown): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#options.onWarning?.(`drops have no place: ${String(error)}`);
  }

  /** Empty for a kernel that has no modules. */
  #loadedModules(): string {
    try {
      return stable(readFileSync(this.#options.modulesPath ?? '/proc/modules', 'latin1'));
    } catch {
      return '';
    }
  }
}

/**
 * What of /proc/modules changes only when a module comes or goes (proc_modules(5): name, size,
 * users, who, state, address): its name, its size and its place.
 */
function stable(text: string): string {
  return text.replaceAll(/^(\S+ \d+) .* (0x[0-9a-f]+).*$/gmu, '$1 $2');
}
