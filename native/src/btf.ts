/** BPF type information of the kernel, its modules and object files. */
import { addon, type NativeBtf, type NativeLayout } from './addon.js';
import { checkName, checkString } from './argument.js';
import { BpfError, badArgument, closedError } from './error.js';
import { BTF_KINDS, type BtfKindName } from './kernel-names.js';

export interface StructMember {
  /** Empty for an anonymous struct or union. */
  readonly name: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  /** Bytes, of the whole array for an array. */
  readonly size: number;
  /**
   * Typedefs resolved: `u8`…`u64`, `s8`…`s64`, `char`, `bool`, `f32`, `f64`,
   * `pointer`, `enum x`, `struct x`, `union x`, each with `[n]` for arrays.
   */
  readonly type: string;
  /** Arrays: elements, over all dimensions. */
  readonly count?: number;
  /** Bit fields: the first bit within the byte at `offset`, and the number of bits. */
  readonly bitOffset?: number;
  readonly bitSize?: number;
  /** Structs and unions, and arrays of them: the layout of one. */
  readonly struct?: StructLayout;
}

export interface StructLayout {
  /** Bytes. */
  readonly size: number;
  readonly members: readonly StructMember[];
}

function notFound(operation: string, what: string): BpfError {
  return new BpfError(operation, 0, 'BPF_NOT_FOUND', what, null);
}

export class Btf {
  #handle: NativeBtf | null;

  private constructor(handle: NativeBtf) {
    this.#handle = handle;
  }

  /** The running kernel's, some MiB. ENOENT or ESRCH: it was built without. */
  static kernel(): Btf {
    return new Btf(addon.btfKernel());
  }

  /**
   * A loaded kernel module's, with the kernel's beneath it: `kernel`, or read anew
   * without it, some MiB. ENOENT: no such module is loaded, or it has none.
   */
  static module(name: string, kernel?: Btf): Btf {
    const checked = checkString('btfModule', 'name', name, 64);
    if (kernel !== undefined && !(kernel instanceof Btf)) {
      throw badArgument('btfModule', 'kernel must be a Btf');
    }
    const base = kernel === undefined ? null : kernel.#open('btfModule');
    return new Btf(addon.btfModule(checked, base));
  }

  /** That of an object file, or raw BTF. */
  static fromObject(path: string): Btf {
    return new Btf(addon.btfFromObject(checkString('btfFromObject', 'path', path)));
  }

  get closed(): boolean {
    return this.#handle === null;
  }

  hasType(kind: BtfKindName, name: string): boolean {
    const handle = this.#open('hasType');
    return addon.btfHasType(
      handle,
      checkName('hasType', 'kind', BTF_KINDS, kind),
      checkString('hasType', 'name', name, 256),
    );
  }

  /**
   * The constants of an enum in their order. A value is a number, or a bigint where
   * it passes 2^53. Clang before 15 does not record the sign of a 32-bit enum, whose
   * negative values then come with 2^32 added. BPF_NOT_FOUND when there is no such enum.
   */
  enumValues(name: string): Map<string, number | bigint> {
    const handle = this.#open('enumValues');
    const values = addon.btfEnumValues(handle, checkString('enumValues', 'name', name, 256));
    if (values === null) throw notFound('enumValues', `no enum ${name}`);
    return new Map(
      values.map(([key, value]) => {
        const number = Number(value);
        return [key, Number.isSafeInteger(number) ? number : value];
      }),
    );
  }

  /** The layout of a struct or union. BPF_NOT_FOUND when there is none of that name. */
  structLayout(name: string): StructLayout {
    const handle = this.#open('structLayout');
    const layout: NativeLayout | null = addon.btfStructLayout(
      handle,
      checkString('structLayout', 'name', name, 256),
    );
    if (layout === null) throw notFound('structLayout', `no struct or union ${name}`);
    return layout;
  }

  close(): void {
    if (this.#handle === null) return;
    addon.close(this.#handle);
    this.#handle = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(operation: string): NativeBtf {
    if (this.#handle === null) throw closedError(operation, 'BTF');
    return this.#handle;
  }
}
