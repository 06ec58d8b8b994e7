import { once } from 'node:events';
import { log } from '../logger.js';

/** A reader that has no more than this before it has caught up. */
const CAUGHT_UP_BYTES = 4 << 20;
/** How long one that has more is waited for, ms. */
const PATIENCE_MS = 50;

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

  /** Resolves when the reader has caught up, or after a moment in which it has not. */
  async passedOn(): Promise<void> {
    if (this.#stream.writableLength <= CAUGHT_UP_BYTES) return;
    const signal = AbortSignal.timeout(PATIENCE_MS);
    await once(this.#stream, 'drain', { signal }).catch(() => undefined);
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
