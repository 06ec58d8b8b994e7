import { HopscopeError } from '../model/errors.js';

/**
 * A channel between two of hopscope's processes is a Unix stream socket with frames on it: 4 bytes
 * of payload length, 4 bytes of type, the payload. Both in the byte order of the machine, since
 * both ends are on it.
 */
const FRAME_HEAD = 8;
/** One JSON text. */
export const FRAME_JSON = 1;
/** A batch of rows, see row-layout.ts; only towards the server process. */
export const FRAME_ROWS = 2;
/** Entries of the kernel's counter, see source/count-entries.ts; only towards the joiner. */
export const FRAME_COUNTS = 3;

/** What came over the channel is not what it should be; `code` says why. */
export class ChannelError extends HopscopeError {}

export function jsonFrame(value: unknown): Buffer {
  const text = JSON.stringify(value);
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(FRAME_HEAD + length);
  writeHead(frame, length, FRAME_JSON);
  frame.write(text, FRAME_HEAD);
  return frame;
}

/**
 * What the payload of a FRAME_JSON says.
 *
 * @throws SyntaxError
 */
export function jsonOf(payload: Uint8Array): unknown {
  return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString());
}

export function frameHead(length: number, type: number): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD);
  writeHead(head, length, type);
  return head;
}

function writeHead(to: Buffer, length: number, type: number): void {
  to.set(new Uint8Array(Uint32Array.of(length, type).buffer));
}

/** Puts frames together from what a stream gives. */
export class FrameReader {
  readonly #limit: number;
  readonly #onFrame: (type: number, payload: Uint8Array) => void;
  readonly #head = new Uint8Array(FRAME_HEAD);
  readonly #words = new Uint32Array(this.#head.buffer);
  #headed = 0;
  /** Memory of its own, so that numbers of 8 bytes lie where they may. */
  #payload: Uint8Array | null = null;
  #filled = 0;

  /** @param limit bytes of one payload */
  constructor(limit: number, onFrame: (type: number, payload: Uint8Array) => void) {
    this.#limit = limit;
    this.#onFrame = onFrame;
  }

  /** @throws ChannelError `frame-too-large`, or what `onFrame` throws */
  add(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#payload === null) {
        const head = chunk.subarray(at, at + FRAME_HEAD - this.#headed);
        this.#head.set(head, this.#headed);
        this.#headed += head.length;
        at += head.length;
        if (this.#headed < FRAME_HEAD) return;
        const length = this.#words[0] as number;
        if (length > this.#limit) {
          throw new ChannelError(
            'frame-too-large',
            `a frame of ${length} bytes, where ${this.#limit} are allowed`,
          );
        }
        this.#payload = new Uint8Array(length);
        this.#filled = 0;
      }
      const payload = this.#payload;
      const part = chunk.subarray(at, at + payload.length - this.#filled);
      payload.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === payload.length) {
        this.#payload = null;
        this.#headed = 0;
        this.#onFrame(this.#words[1] as number, payload);
      }
    }
  }
}
