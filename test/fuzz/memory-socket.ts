import { Duplex } from 'node:stream';

/** A connection whose other end is the campaign. */
export class MemorySocket extends Duplex {
  #written: Buffer[] = [];

  constructor() {
    super({ allowHalfOpen: true });
    this.on('error', () => undefined);
  }

  override _read(): void {
    // What comes is pushed.
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: () => void): void {
    this.#written.push(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
    done();
  }

  /** All that was written since it was last taken. */
  taken(): Buffer {
    const written = Buffer.concat(this.#written);
    this.#written = [];
    return written;
  }
}
