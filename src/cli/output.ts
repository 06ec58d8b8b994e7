import { log } from '../logger.js';

/**
 * Standard output with back-pressure known: a reader that is slower than the
 * kernel must not make the daemon hold what it cannot take.
 */
export class LineOutput {
  /** Lines left out because the reader was too slow. */
  skipped = 0;
  readonly #stream: NodeJS.WriteStream;
  readonly #limit: number;

  /** @param limit bytes that may wait for the reader */
  constructor(stream: NodeJS.WriteStream = process.stdout, limit = 64 << 20) {
    this.#stream = stream;
    this.#limit = limit;
  }

  line(text: string): void {
    if (this.#stream.writableLength > this.#limit) {
      this.skipped += 1;
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

/**
 * Ends the process when its output cannot be written. A closed pipe (`| head`) is a way to say
 * "enough"; a full disk is none.
 */
export function exitWhenNotWritable(stream: NodeJS.WriteStream = process.stdout): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    const code = 'OUTPUT_NOT_WRITABLE';
    const message = `cannot write the output: ${error.message}`;
    log.error('failed', message, {
      fields: { code, status: 1 },
      text: [`hopscope: ${message} [${code}]`],
    });
    process.exit(1);
  });
}
