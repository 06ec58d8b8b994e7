/** BPF object files. */
import { addon, type NativeObject } from './addon.js';
import { checkBytes, checkBytesOf, checkString, checkUint32 } from './argument.js';
import { BpfError, badArgument, closedError } from './error.js';
import { newerSection } from './kernel-names.js';
import { BpfMap } from './map.js';
import { Program, type ProgramOwner } from './program.js';

export interface OpenOptions {
  /** Name of the object; data sections' maps are called after it. */
  readonly name?: string;
}

/** The bytes of one read-only variable, little or big endian as this machine is. */
function encodeConstant(
  name: string,
  size: number,
  kind: 'integer' | 'boolean' | 'bytes',
  signed: boolean,
  value: unknown,
): Uint8Array {
  const operation = 'setConstant';
  if (value instanceof Uint8Array) return checkBytesOf(operation, name, value, size);
  if (kind === 'bytes') {
    throw badArgument(operation, `${name} has ${size} bytes and takes a Uint8Array`);
  }
  let integer: bigint;
  if (typeof value === 'boolean') integer = value ? 1n : 0n;
  else if (typeof value === 'bigint') integer = value;
  else if (typeof value === 'number' && Number.isSafeInteger(value)) integer = BigInt(value);
  else {
    throw badArgument(operation, `${name} takes an integer, a boolean or a Uint8Array`);
  }
  const bits = BigInt(size * 8);
  const min = signed ? -(1n << (bits - 1n)) : 0n;
  let max = signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  if (kind === 'boolean') max = 1n;
  if (integer < min || integer > max) {
    throw badArgument(operation, `${name} takes ${min} to ${max}, not ${integer}`);
  }
  const bytes = new Uint8Array(size);
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  for (let i = 0; i < size; i++) {
    bytes[little ? i : size - 1 - i] = Number((integer >> BigInt(8 * i)) & 0xffn);
  }
  return bytes;
}

/**
 * An object file: opened, adjusted, loaded, closed, in that order. Closing frees
 * its programs and maps, except that links keep their programs and ring buffers
 * their maps alive. Collecting the object, its programs and its maps closes it.
 */
export class BpfObject {
  readonly programs: readonly Program[];
  readonly maps: readonly BpfMap[];
  #handle: NativeObject | null;
  #state: 'open' | 'loading' | 'loaded' | 'failed' = 'open';

  private constructor(handle: NativeObject) {
    this.#handle = handle;
    // Programs and maps keep this owner, and so the handle, from collection.
    const owner: ProgramOwner = {
      handle: (operation) => this.#open(operation),
      unloaded: (operation) => this.#unloaded(operation),
    };
    this.programs = addon.objectPrograms(handle).map((entry, index) => {
      const rule = entry.type === 0 ? newerSection(entry.section) : null;
      if (rule !== null) addon.programSetType(handle, index, rule.type, rule.attachType);
      return new Program(owner, index, entry.name, entry.section);
    });
    this.maps = addon
      .objectMaps(handle)
      .map(
        (entry, index) =>
          new BpfMap(entry, owner.handle, (operation) =>
            addon.mapOpen(owner.handle(operation), index),
          ),
      );
  }

  /**
   * Parses an object file (a path) or its bytes. Nothing reaches the kernel yet.
   * Errors: ENOENT and other errnos of the file, LIBBPF_FORMAT and others for what
   * is not a BPF object.
   */
  static open(source: string | Uint8Array, options: OpenOptions = {}): BpfObject {
    const name = options.name === undefined ? null : checkString('open', 'name', options.name, 64);
    if (typeof source === 'string') {
      return new BpfObject(addon.objectOpen(checkString('open', 'source', source), name));
    }
    const bytes = checkBytes('open', 'source', source);
    if (bytes.length === 0) throw badArgument('open', 'source is empty');
    return new BpfObject(addon.objectOpen(bytes, name));
  }

  get loaded(): boolean {
    return this.#state === 'loaded';
  }

  get closed(): boolean {
    return this.#handle === null;
  }

  /**
   * Gives a `const volatile` variable its value, found by name in the object's BTF.
   * Numbers and bigints must fit its type; structs and arrays take their bytes.
   * Before load only: the verifier then sees a constant.
   */
  setConstant(name: string, value: number | bigint | boolean | Uint8Array): void {
    const handle = this.#unloaded('setConstant');
    const found = addon.objectFindConstant(handle, checkString('setConstant', 'name', name, 256));
    if (found === null) {
      throw new BpfError(
        'setConstant',
        0,
        'BPF_NOT_FOUND',
        `the object has no const volatile variable ${name}`,
        null,
      );
    }
    const bytes = encodeConstant(name, found.size, found.kind, found.signed, value);
    addon.objectWriteInitial(handle, found.map, found.offset, bytes);
  }

  /**
   * Sizes a map before load. A ring buffer's bytes are rounded up to a power of two
   * of at least a page; `maxEntries` of the map has it.
   */
  setMapMaxEntries(map: string, entries: number): void {
    const handle = this.#unloaded('setMapMaxEntries');
    const found = this.map(map);
    const checked = checkUint32('setMapMaxEntries', 'entries', entries, 1);
    found.resized(addon.mapSetMaxEntries(handle, this.maps.indexOf(found), checked));
  }

  /**
   * Makes the object use a map of another, loaded one instead of its own, so that
   * both write to the same ring or read the same table. Before load only; the other
   * may be closed afterwards. BPF_BAD_ARGUMENT: its type, key or value differ.
   */
  reuseMap(map: string, other: BpfMap): void {
    const handle = this.#unloaded('reuseMap');
    const found = this.map(map);
    if (!(other instanceof BpfMap)) throw badArgument('reuseMap', 'other must be a BpfMap');
    const alike =
      other.type === found.type &&
      other.keySize === found.keySize &&
      other.valueSize === found.valueSize;
    if (!alike) throw badArgument('reuseMap', `${other.name} is not a map such as ${map}`);
    const taken = other.nativeHandle('reuseMap');
    found.resized(addon.mapReuse(handle, this.maps.indexOf(found), taken));
  }

  program(name: string): Program {
    const found = this.programs.find((program) => program.name === name);
    if (found === undefined) {
      throw new BpfError('program', 0, 'BPF_NOT_FOUND', `no program ${String(name)}`, null);
    }
    return found;
  }

  map(name: string): BpfMap {
    const found = this.maps.find((map) => map.name === name);
    if (found === undefined) {
      throw new BpfError('map', 0, 'BPF_NOT_FOUND', `no map ${String(name)}`, null);
    }
    return found;
  }

  /**
   * Creates the maps and loads the programs. On failure the BpfError's `log` has
   * libbpf's messages and the verifier's log, and the object can only be closed.
   */
  load(): void {
    const handle = this.#unloaded('load');
    this.#state = 'failed';
    addon.objectLoad(handle);
    this.#state = 'loaded';
  }

  /**
   * The same on another thread. Until it resolves the object can only be closed; what was
   * created by then is freed when the kernel has answered, and the promise rejected with
   * BPF_CLOSED.
   */
  async loadAsync(): Promise<void> {
    const handle = this.#unloaded('load');
    this.#state = 'loading';
    try {
      await addon.objectLoadAsync(handle);
      this.#state = 'loaded';
    } catch (error) {
      this.#state = 'failed';
      throw error;
    }
  }

  /** Frees what links and ring buffers do not keep; see above. Idempotent. */
  close(): void {
    if (this.#handle === null) return;
    addon.close(this.#handle);
    this.#handle = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(operation: string): NativeObject {
    if (this.#handle === null) throw closedError(operation, 'object');
    if (this.#state === 'loading') {
      throw new BpfError(operation, 0, 'BPF_NOT_LOADED', 'the object is being loaded', null);
    }
    return this.#handle;
  }

  #unloaded(operation: string): NativeObject {
    const handle = this.#open(operation);
    if (this.#state !== 'open') {
      const detail =
        this.#state === 'loaded' ? 'the object is already loaded' : 'its load has failed before';
      throw new BpfError(operation, 0, 'BPF_LOADED', detail, null);
    }
    return handle;
  }
}
