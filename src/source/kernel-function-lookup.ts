import { closeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { adoptMap, type BpfMap, BpfObject, runDescriptor } from 'ebpf-ts';
import type { FunctionLookup } from './kernel-functions.js';

const FIRST = new Uint8Array(4);
const ADDRESS_BYTES = 8;

/** As it is compiled, in the folder of the tracer's object. */
export function functionObjectBeside(objectFile: string): string {
  return join(dirname(objectFile), 'kernel-function.bpf.o');
}

/** Runs a program of bpf/kernel-function.bpf.c on its context, and returns what it returned. */
type Run = (context: Uint8Array) => number;

/** Asks the kernel for the function at one address, by bpf/kernel-function.bpf.c. */
export class KernelFunctionLookup implements FunctionLookup {
  /** End of the kernel's own text; null where the kernel keeps addresses from this process. */
  readonly textEnd: bigint | null;
  readonly #run: Run;
  readonly #names: BpfMap;
  readonly #close: () => void;
  #descriptors: () => readonly number[] = () => [];
  #isClosed = false;
  readonly #context = new DataView(new ArrayBuffer(ADDRESS_BYTES));

  private constructor(run: Run, names: BpfMap, textEnd: bigint | null, close: () => void) {
    this.#run = run;
    this.#names = names;
    this.textEnd = textEnd;
    this.#close = close;
  }

  /**
   * @param objectFile dist/bpf/kernel-function.bpf.o
   * @throws BpfError where the kernel does not take it (before Linux 5.16)
   */
  static async open(objectFile: string): Promise<KernelFunctionLookup> {
    const object = BpfObject.open(objectFile);
    try {
      await object.loadAsync();
      const end = object.program('find_text_end').run({ context: new Uint8Array(ADDRESS_BYTES) });
      const program = object.program('name_function');
      const lookup = new KernelFunctionLookup(
        (context) => program.run({ context }).returnValue,
        object.map('names'),
        end.returnValue === 0 ? addressIn(end.context) : null,
        () => object.close(),
      );
      lookup.#descriptors = () => [program.descriptor(), object.map('names').descriptor()];
      return lookup;
    } catch (error) {
      object.close();
      throw error;
    }
  }

  /**
   * One that another process has opened, by its `descriptors`, which are taken over.
   *
   * @throws BpfError where they are others
   */
  static adopt(descriptors: readonly number[], textEnd: bigint | null): KernelFunctionLookup {
    const [program = -1, map = -1] = descriptors;
    try {
      return new KernelFunctionLookup(
        (context) => runDescriptor(program, context),
        adoptMap(map),
        textEnd,
        () => closeSync(program),
      );
    } finally {
      closeSync(map);
    }
  }

  /** What another process adopts; it stays open here. */
  get descriptors(): readonly number[] {
    return this.#descriptors();
  }

  /** @throws BpfError when the program cannot be run, as after `close` */
  name(address: bigint): string | null {
    this.#context.setBigUint64(0, address, true);
    // No buffer was left for the helper: the kernel may know, so it is asked again.
    if (this.#run(new Uint8Array(this.#context.buffer)) !== 0) return null;
    const bytes = this.#names.get(FIRST) ?? new Uint8Array();
    const end = bytes.indexOf(0);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.length : end);
    return functionIn(text.toString('latin1'), address, this.textEnd);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#close();
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
