import {
  type ClientMessage,
  PROTOCOL_VERSION,
  parseServerMessage,
  type ServerMessage,
} from 'hopscope-protocol';
import { backoffMs } from './backoff.js';

export type ConnectionState =
  | { readonly kind: 'connecting'; readonly attempt: number }
  | { readonly kind: 'open' }
  | { readonly kind: 'waiting'; readonly attempt: number; readonly retryAtMs: number }
  /** The daemon speaks another version of the protocol; only a reload can help. */
  | { readonly kind: 'incompatible'; readonly theirs: number };

export interface ConnectionListener {
  onState(state: ConnectionState): void;
  onMessage(message: ServerMessage): void;
  /** A message that could not be understood; the connection goes on. */
  onProblem(code: string, message: string): void;
}

/** The daemon speaks at least every second; after so long without a word the link is dead. */
const SILENCE_LIMIT_MS = 6000;

/** The WebSocket to the daemon, opened again for as long as the page lives. */
export class Connection {
  readonly #url: string;
  readonly #listener: ConnectionListener;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #watchdog: ReturnType<typeof setInterval> | null = null;
  #lastHeard = 0;
  #closed = false;

  constructor(url: string, listener: ConnectionListener) {
    this.#url = url;
    this.#listener = listener;
  }

  open(): void {
    this.#closed = false;
    this.#connect();
  }

  close(): void {
    this.#closed = true;
    this.#stopTimers();
    this.#socket?.close();
    this.#socket = null;
  }

  /** Does not wait for the next attempt. */
  retryNow(): void {
    if (this.#retry === null || this.#closed) return;
    clearTimeout(this.#retry);
    this.#retry = null;
    this.#connect();
  }

  /** Whether it was handed to the socket; what is not is for the caller to say again. */
  send(message: ClientMessage): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #connect(): void {
    this.#attempt += 1;
    this.#listener.onState({ kind: 'connecting', attempt: this.#attempt });
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#lastHeard = performance.now();
    this.#watchdog = setInterval(() => {
      if (performance.now() - this.#lastHeard > SILENCE_LIMIT_MS) this.#lost(socket);
    }, 1000);
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (socket === this.#socket) this.#receive(socket, event.data);
    };
    // An error is always followed by a close.
    socket.onclose = () => this.#lost(socket);
  }

  #receive(socket: WebSocket, data: unknown): void {
    this.#lastHeard = performance.now();
    if (typeof data !== 'string') {
      this.#listener.onProblem('binary', 'the daemon sent a binary message');
      return;
    }
    const parsed = parseServerMessage(data);
    if (!parsed.ok) {
      this.#listener.onProblem(parsed.code, parsed.message);
      return;
    }
    const message = parsed.value;
    if (message.type === 'hello') {
      if (message.protocol !== PROTOCOL_VERSION) {
        this.#closed = true;
        this.#stopTimers();
        socket.close();
        this.#listener.onState({ kind: 'incompatible', theirs: message.protocol });
        return;
      }
      this.#attempt = 0;
      this.#listener.onState({ kind: 'open' });
    }
    this.#listener.onMessage(message);
  }

  #lost(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#stopTimers();
    socket.close();
    if (this.#closed) return;
    const wait = backoffMs(Math.max(1, this.#attempt), Math.random());
    this.#listener.onState({
      kind: 'waiting',
      attempt: this.#attempt,
      retryAtMs: performance.now() + wait,
    });
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#connect();
    }, wait);
  }

  #stopTimers(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    this.#retry = null;
    this.#watchdog = null;
  }
}
