/** Attributes of nf_tables' messages, walked without an object for each: a large rule set has millions. */

/** Bytes of the length and the type that begin each attribute. */
const HEADER = 4;
const TYPE_MASK = 0x3fff;
/** The highest type that is kept. */
const TYPES = 16;

/** The attributes of one message or nest, by type: where their values begin, and how long they are. */
export class NftAttributes {
  data: Buffer = Buffer.alloc(0);
  readonly #starts = new Int32Array(TYPES);
  readonly #lengths = new Int32Array(TYPES);

  /** @throws RangeError where they are cut */
  read(data: Buffer, from: number, end: number): void {
    this.data = data;
    this.#starts.fill(-1);
    for (let at = from; at + HEADER <= end; ) {
      const length = data.readUInt16LE(at);
      if (length < HEADER || at + length > end)
        throw new RangeError(`an attribute of ${length} bytes`);
      const type = data.readUInt16LE(at + 2) & TYPE_MASK;
      if (type < TYPES) {
        this.#starts[type] = at + HEADER;
        this.#lengths[type] = length - HEADER;
      }
      at += (length + 3) & ~3;
    }
  }

  has(type: number): boolean {
    return this.start(type) >= 0;
  }

  /** Negative where it is not there. */
  start(type: number): number {
    return this.#starts[type] as number;
  }

  end(type: number): number {
    return (this.#starts[type] as number) + (this.#lengths[type] as number);
  }

  length(type: number): number {
    return this.has(type) ? (this.#lengths[type] as number) : 0;
  }

  /** In network byte order; null where it is not there. */
  be32(type: number): number | null {
    return this.length(type) < 4 ? null : this.data.readUInt32BE(this.start(type));
  }

  be16(type: number): number | null {
    return this.length(type) < 2 ? null : this.data.readUInt16BE(this.start(type));
  }

  be64(type: number): bigint | null {
    return this.length(type) < 8 ? null : this.data.readBigUInt64BE(this.start(type));
  }

  /** Whether a text begins so, with its NUL: without making a string of it. */
  is(type: number, word: Buffer): boolean {
    const start = this.start(type);
    if (start < 0 || this.length(type) < word.length) return false;
    for (let i = 0; i < word.length; i++) if (this.data[start + i] !== word[i]) return false;
    return true;
  }

  /** Without its NUL; null where it is not there. */
  text(type: number): string | null {
    if (!this.has(type)) return null;
    const [start, end] = [this.start(type), this.end(type)];
    const nul = this.data.indexOf(0, start);
    return this.data.toString('utf8', start, nul < 0 || nul > end ? end : nul);
  }
}
