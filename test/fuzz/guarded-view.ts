/**
 * A view that throws at any read outside a window of it: a decoder may not look at
 * bytes it was not given, even where there are some.
 */
export class GuardedView extends DataView<ArrayBuffer> {
  readonly #first: number;
  readonly #end: number;

  constructor(bytes: Uint8Array<ArrayBuffer>, first: number, end: number) {
    super(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#first = first;
    this.#end = end;
  }

  #check(at: number, size: number): void {
    if (!(at >= this.#first && at + size <= this.#end)) {
      throw new RangeError(`read of ${size} at ${at}, outside ${this.#first} to ${this.#end}`);
    }
  }

  override getUint8(at: number): number {
    this.#check(at, 1);
    return super.getUint8(at);
  }

  override getUint16(at: number, little?: boolean): number {
    this.#check(at, 2);
    return super.getUint16(at, little);
  }

  override getInt16(at: number, little?: boolean): number {
    this.#check(at, 2);
    return super.getInt16(at, little);
  }

  override getUint32(at: number, little?: boolean): number {
    this.#check(at, 4);
    return super.getUint32(at, little);
  }

  override getInt32(at: number, little?: boolean): number {
    this.#check(at, 4);
    return super.getInt32(at, little);
  }

  override getBigUint64(at: number, little?: boolean): bigint {
    this.#check(at, 8);
    return super.getBigUint64(at, little);
  }
}
