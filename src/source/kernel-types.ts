import { existsSync } from 'node:fs';
import { BpfError, Btf } from 'ebpf-ts';

const BTF_FOLDER = '/sys/kernel/btf';

/** Those of the modules that are loaded and have BTF. */
export function modulesWithTypes(modules: readonly string[]): readonly string[] {
  return modules.filter((module) => existsSync(`${BTF_FOLDER}/${module}`));
}

/**
 * The running kernel's types, read once for several questions; close it after them.
 * Errors: BpfError of `Btf.kernel`.
 */
export class KernelTypes {
  readonly #kernel = Btf.kernel();
  readonly #modules = new Map<string, Btf | null>();

  /** Names of the drop reasons by number. */
  dropReasons(): Map<string, number | bigint> {
    return this.#kernel.enumValues('skb_drop_reason');
  }

  /** Whether a function is in the kernel proper, or in the module when that is loaded. */
  hasFunction(name: string, module: string | null): boolean {
    if (this.#kernel.hasType('function', name)) {
      return true;
    }
    return module !== null && this.#module(module)?.hasType('function', name) === true;
  }

  close(): void {
    for (const module of this.#modules.values()) {
      module?.close();
    }
    this.#kernel.close();
  }

  #module(name: string): Btf | null {
    const known = this.#modules.get(name);
    if (known !== undefined) {
      return known;
    }
    const found = modulesWithTypes([name]).length > 0 ? this.#read(name) : null;
    this.#modules.set(name, found);
    return found;
  }

  #read(module: string): Btf | null {
    try {
      return Btf.module(module, this.#kernel);
    } catch (error) {
      // It went since it was looked for.
      if (error instanceof BpfError) {
        return null;
      }
      throw error;
    }
  }
}
