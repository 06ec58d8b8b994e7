import type { Duplex } from 'node:stream';
import { receiveDescriptors } from 'ebpf-ts';
import { FRAME_COUNTS, FRAME_JSON, FrameReader, jsonFrame, jsonOf } from '../channel/frame.js';
import { JOINER_FRAME_LIMIT, type ToJoiner, type ToObserver } from './messages.js';
import { ObserverError } from './observer-error.js';

export interface LinkListener {
  onMessage(message: ToJoiner): void;
  /** Entries of the counter; see source/count-entries.ts. */
  onCounts(entries: Uint8Array): void;
}

/** The joiner's end of the channel to the process that observes. */
export class ObserverLink {
  readonly #socket: Duplex;
  readonly #descriptors: number;
  #listener: LinkListener | null = null;
  /** What came before anybody listened, in order. */
  #early: ((listener: LinkListener) => void)[] = [];
  /** Called when the command is asked to stop. */
  onStop: (signal: string) => void = () => undefined;
  /** Called when the observer is gone. */
  onGone: () => void = () => undefined;

  /** @param descriptors the socket that descriptors cross */
  constructor(socket: Duplex, descriptors: number) {
    this.#socket = socket;
    this.#descriptors = descriptors;
    const reader = new FrameReader(JOINER_FRAME_LIMIT, (type, payload) =>
      this.#receive(type, payload),
    );
    socket.on('data', (chunk: Buffer) => reader.add(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.onGone());
  }

  /** Gives all messages to a listener, those before this call too. */
  listen(listener: LinkListener): void {
    this.#listener = listener;
    for (const give of this.#early.splice(0)) give(listener);
  }

  send(message: ToObserver): void {
    if (this.#socket.writable) this.#socket.write(jsonFrame(message));
  }

  /** Those that the message just received announced. */
  receiveDescriptors(): number[] {
    return receiveDescriptors(this.#descriptors);
  }

  close(): void {
    this.onGone = () => undefined;
    this.#socket.destroy();
  }

  #receive(type: number, payload: Uint8Array): void {
    if (type === FRAME_COUNTS) {
      this.#give((listener) => listener.onCounts(payload));
      return;
    }
    if (type !== FRAME_JSON) throw new ObserverError('OBSERVER_MESSAGE', 'a frame of no type');
    const message = jsonOf(payload) as ToJoiner;
    if (message.type === 'stop') this.onStop(message.signal);
    else this.#give((listener) => listener.onMessage(message));
  }

  #give(give: (listener: LinkListener) => void): void {
    if (this.#listener === null) this.#early.push(give);
    else give(this.#listener);
  }
}
