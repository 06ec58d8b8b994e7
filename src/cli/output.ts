import { warn } from './warn.js';

/**
 * Standard output with back-pressure known: a reader that is slower than the
 * kernel must not make the daemon hold what it cannot take.
 */
export class LineOutput {
  /** Lines left out because the reader was too slow. */
  shed = 0;
  readonly #stream: NodeJS.WriteStream;
  readonly #limit: number;

  /** @param limit bytes that may wait for the reader */
  constructor(stream: NodeJS.WriteStream = process.stdout, limit = 64 << 20) {
    this.#stream = stream;
    this.#limit = limit;
    // A closed pipe (`| head`) is a way to say "enough"; a full disk is none.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') {
        process.exit(0);
      }
      warn(`cannot write the output: ${error.message} [OUTPUT_NOT_WRITABLE]`);
      process.exit(1);
    });
  }

  line(text: string): void {
    if (this.#stream.writableLength > this.#limit) {
      this.shed += 1;
      return;
    }
    this.#stream.write(`${text}\n`);
  }

  /** Resolves when everything written has been taken. */
  flush(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write('', () => resolve());
    });
  }
}
