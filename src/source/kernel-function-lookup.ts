import { dirname, join } from 'node:path';
import { type BpfMap, BpfObject, type Program } from 'ebpf-ts';
import type { FunctionLookup } from './kernel-functions.js';

const FIRST = new Uint8Array(4);
const ADDRESS_BYTES = 8;

/** As it is compiled, in the folder of the tracer's object. */
export function functionObjectBeside(objectFile: string): string {
  return join(dirname(objectFile), 'kernel-function.bpf.o');
}

/** Asks the kernel for the function at one address, by bpf/kernel-function.bpf.c. */
export class KernelFunctionLookup implements FunctionLookup {
  readonly #object: BpfObject;
  readonly #nameFunction: Program;
  readonly #names: BpfMap;
  readonly #textEnd: bigint | null;
  readonly #context = new DataView(new ArrayBuffer(ADDRESS_BYTES));

  private constructor(object: BpfObject) {
    this.#object = object;
    this.#nameFunction = object.program('name_function');
    this.#names = object.map('names');
    const end = this.#run(object.program('find_text_end'), 0n);
    this.#textEnd = end.returnValue === 0 ? addressIn(end.context) : null;
  }

  /**
   * @param objectFile dist/bpf/kernel-function.bpf.o
   * @throws BpfError where the kernel does not take it (before Linux 5.16)
   */
  static async open(objectFile: string): Promise<KernelFunctionLookup> {
    const object = BpfObject.open(objectFile);
    try {
      await object.loadAsync();
      return new KernelFunctionLookup(object);
    } catch (error) {
      object.close();
      throw error;
    }
  }

  /** End of the kernel's own text; null where the kernel keeps addresses from this process. */
  get textEnd(): bigint | null {
    return this.#textEnd;
  }

  /** @throws BpfError when the program cannot be run, as after `close` */
  name(address: bigint): string | null {
    // No buffer was left for the helper: the kernel may know, so it is asked again.
    if (this.#run(this.#nameFunction, address).returnValue !== 0) return null;
    const bytes = this.#names.get(FIRST) ?? new Uint8Array();
    const end = bytes.indexOf(0);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end);
    return functionIn(text.toString('latin1'), address, this.#textEnd);
  }

  close(): void {
    this.#object.close();
  }

  #run(program: Program, address: bigint): ReturnType<Program['run']> {
    this.#context.setBigUint64(0, address, true);
    return program.run({ context: new Uint8Array(this.#context.buffer) });
  }
}

function addressIn(context: Uint8Array): bigint {
  return new DataView(context.buffer, context.byteOffset).getBigUint64(0, true);
}

/**
 * The function in what "%ps" gives for an address (sprint_symbol_no_offset of kernel/kallsyms.c):
 * `name`, `name [module]`, or the address where the kernel has no name.
 *
 * Names without a module that lie beyond the kernel's text are of variables, of BPF programs, or
 * of nothing: the vsyscall page has the name of the last variable there is.
 *
 * @param textEnd null: not known, so that every name is taken
 */
export function functionIn(text: string, address: bigint, textEnd: bigint | null): string | null {
  if (text === '' || text.startsWith('0x')) return null;
  const [name = '', module = ''] = text.split(' ', 2);
  const isModule = module.startsWith('[');
  return isModule || textEnd === null || address < textEnd ? name : null;
}
